"""mypy and pyright on the package and on a user's program: what is right passes, what is marked wrong does not."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import m5mem

HERE = Path(__file__).parent
PROGRAM = HERE / "typed_program.py"
WRONG = {i for i, line in enumerate(PROGRAM.read_text().splitlines(), 1) if line.endswith("# wrong")}
PACKAGE = Path(m5mem.__file__).parent


def test_the_program_runs_but_for_what_is_wrong(tmp_path):
    right = [line for line in PROGRAM.read_text().splitlines() if not line.endswith("# wrong")]
    pytest.importorskip("typing_extensions")
    (tmp_path / "program.py").write_text("\n".join(right))
    subprocess.run([sys.executable, str(tmp_path / "program.py")], check=True, timeout=60)


def test_mypy(tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--no-error-summary"]
    out = subprocess.run([*command, str(PROGRAM)], capture_output=True, text=True, timeout=300)
    found = {int(n) for n in re.findall(r"typed_program.py:(\d+): error", out.stdout)}
    elsewhere = [line for line in out.stdout.splitlines() if "error" in line and "typed_program" not in line]
    assert found == WRONG and not elsewhere, out.stdout
    own = subprocess.run([*command, str(PACKAGE)], capture_output=True, text=True, timeout=300)
    assert own.returncode == 0, own.stdout


def test_pyright():
    pytest.importorskip("pyright")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(PROGRAM)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300)
    try:
        report = json.loads(out.stdout)
    except ValueError:
        pytest.skip("pyright cannot run here (it fetches node when it has none)")
    errors = [d for d in report["generalDiagnostics"] if d["severity"] == "error"]
    assert {d["range"]["start"]["line"] + 1 for d in errors} == WRONG, errors
