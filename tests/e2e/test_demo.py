"""The quick start of the documentation, as `make demo` shows it."""

import pytest
import yaml

from testbed import Cluster
from testbed.demo import EXAMPLE, NAMESPACE, SERVER, run_demo
from testbed.paths import CHECKOUT


def test_the_demo_moves_a_file_and_says_how_to_go_on(operator: Cluster, capsys: pytest.CaptureFixture[str]):
    run_demo(operator)
    said = capsys.readouterr().out
    assert "through explicit FTPS" in said
    assert "through implicit FTPS" in said
    assert said.count("1 MiB went in and out, byte for byte; the certificate was verified") == 2
    row = next(line.split() for line in said.splitlines() if line.startswith(SERVER))
    assert row[1] == "True"
    assert row[3:6] == ["21", "990", "50000-50039"]


def test_every_example_is_one_that_a_test_applies():
    # The others by test_users.py and test_ftpsusers.py.
    found = {path.name for path in (CHECKOUT / "docs" / "examples").glob("*.yaml")}
    assert found == {EXAMPLE.name, "partners.yaml", "tenant.yaml"}


def test_the_readme_s_resource_is_accepted(operator: Cluster):
    text = (CHECKOUT / "README.md").read_text()
    document = text.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(document)["kind"] == "FtpsServer"
    said = operator.kubectl(
        "create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", stdin=document.replace(SERVER, "x")
    )
    assert "created (server dry run)" in said
