"""Runs test_kernel.py in a User Mode Linux (Debian's package user-mode-linux), whose kernel has kTLS on any machine."""

import os
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SETTINGS = HERE.parent.parent / "pyproject.toml"
KERNEL = ["linux.uml", "rootfstype=hostfs", "rootflags=/", "ro", "mem=1G", "quiet", "con=null", "con0=null,fd:1"]
SECONDS = 300

needs_uml = pytest.mark.skipif(shutil.which("linux.uml") is None, reason="linux.uml is not installed")


@needs_uml
def test_downloads_go_through_a_kernel_that_has_ktls(tmp_path):
    # Its arguments for pytest. No plugin may want to write, as only tmp_path can be written to; it is /mnt there.
    arguments = ["-c", str(SETTINGS), "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--color", "no"]
    arguments += ["--junitxml", "/mnt/report.xml", str(HERE / "test_kernel.py")]
    init = tmp_path / "init"
    init.write_text(
        f"#!/bin/sh\nexec {shlex.join([sys.executable, str(HERE / 'guest.py'), str(tmp_path), *arguments])}\n"
    )
    init.chmod(0o755)
    done = subprocess.run(
        [*KERNEL, f"init={init}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        timeout=SECONDS,
        check=False,
    )
    report = tmp_path / "report.xml"
    assert report.exists(), done.stdout
    suite = ET.parse(report).getroot()[0]  # noqa: S314 - our own
    results = {key: int(suite.attrib[key]) for key in ("failures", "errors", "skipped")}
    assert results == {"failures": 0, "errors": 0, "skipped": 0}, done.stdout
    assert int(suite.attrib["tests"]) > 0
