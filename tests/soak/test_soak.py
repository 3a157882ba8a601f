"""A minute of good and bad clients; `SOAK_SECONDS` makes it longer. For how long see `python -m soak --help`."""

import os
import subprocess
import sys
from pathlib import Path

import ftps_server

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
_SECONDS_AROUND = 400.0
_FOLDERS = (Path(ftps_server.__file__).parents[1], Path(__file__).parents[1])


def test_every_transfer_is_right_and_nothing_is_left_over(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "soak", f"--seconds={SECONDS}", f"--output={tmp_path / 'soak.json'}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(folder) for folder in _FOLDERS)},
        capture_output=True,
        text=True,
        timeout=SECONDS + _SECONDS_AROUND,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
