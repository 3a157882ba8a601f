# Every command sets up what it needs; builds are cached outside the checkout.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ftps-operator
PYTHON ?= python3
VENV := $(CACHE)/venv-$(shell { $(PYTHON) --version; sed -n '/^dependencies/,/^\[project.scripts/p' pyproject.toml; } 2>&1 | sha256sum | cut -c1-16)
BIN := $(VENV)/bin
export PYTHONPATH := operator/src:server-image/src:tests/cluster:tests

