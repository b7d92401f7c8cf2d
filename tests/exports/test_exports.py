"""The readers that CI has agree with m5: Chromium's memory panel on heap snapshots, Chromium on the page.

Needs Debian's package chromium, and m5 built (`M5` or target/debug/m5).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
M5 = Path(os.environ.get("M5") or HERE.parents[1] / "target/debug/m5")


def test_foreign_readers_agree() -> None:
    missing = [
        what for what, there in (("chromium", shutil.which("chromium")), (M5, M5.exists())) if not there
    ]
    if missing:
        assert not os.environ.get("CI"), f"CI must have {missing}"
        pytest.skip(f"not here: {missing}")
    command = [sys.executable, HERE / "check.py", "--m5", M5, "--python", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for reader in ("panel: retained", "page, 390 wide"):
        assert f"ok   {reader}" in done.stdout, done.stdout
