# Every command sets up what it needs. Builds are cached outside the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ftps-operator
# What is installed follows from the interpreter and from pyproject.toml's dependencies.
VENV := $(CACHE)/venv-$(shell { $(PYTHON) --version; sed -n '/^dependencies/,/^\[project.scripts/p' pyproject.toml; } 2>&1 | sha256sum | cut -c1-16)
BIN := $(VENV)/bin
TESTBED := $(BIN)/python -m testbed
SOURCES := operator/src server-image/src tests

export PYTHONPATH := $(CURDIR)/operator/src:$(CURDIR)/server-image/src:$(CURDIR)/tests/cluster
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help demo test test-unit lint format generate bench bench-server bench-operator soak down

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(VENV) ## Start a cluster, install the operator, serve a file over FTPS, leave it running
	$(TESTBED) demo

test: $(VENV) ## Run every test, on a cluster of its own
	$(TESTBED) test

test-unit: $(VENV) ## Run the fast tests: no root, no cluster
	$(BIN)/pytest tests/unit

lint: $(VENV) ## Check format, style, types and the rings
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy operator/src server-image/src tests/cluster/testbed
	$(BIN)/lint-imports

format: $(VENV) ## Format the sources
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

generate: $(VENV) ## Write the CRDs anew from the models
	$(BIN)/python -m ftps_operator crds --write crds --write charts/ftps-operator/files/crds

bench: bench-server bench-operator ## Run every benchmark
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests $(TESTBED) run $(BIN)/python tests/bench/time_to_ready.py

bench-server: $(VENV) ## Compare the server with vsftpd, ProFTPD, pure-ftpd and stock pyftpdlib
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests $(BIN)/python -m bench.server_bench $(BENCH)

bench-operator: $(VENV) ## Measure the operator with 1,000 servers, beside cert-manager, on the embedded cluster
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests $(TESTBED) run $(BIN)/python -m bench.operator_bench $(BENCH)

soak: $(VENV) ## Put the server under churn and faults for half an hour
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests $(BIN)/python -m soak --seconds 1800

down: ## Stop the cluster; leaves nothing behind
	$(PYTHON) -m testbed down

$(VENV):
	@echo "Installing the Python packages into $@"
	@$(PYTHON) -m ensurepip --version >/dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y python3-venv; }
	@rm -rf $@.part && mkdir -p $(CACHE) && $(PYTHON) -m venv $@.part
	@$@.part/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c 'import tomllib; \
	p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*(repr(d) for d in sum(p["optional-dependencies"].values(), p["dependencies"])))' | tr -d "'")
	@rm -rf $@ && mv $@.part $@ && sed -i "s|$@.part|$@|g" $$(grep -rlIF "$@.part" $@/bin) $@/pyvenv.cfg
