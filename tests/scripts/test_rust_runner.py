"""scripts/run_rust_tests.py: what failed is found by name, and tried alone; nothing that failed twice passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "run_rust_tests.py"

FAILED = """\
running 2 tests
test it_starts ... ok
test it_holds ... FAILED

failures:

---- it_holds stdout ----
    indented

failures:
    it_holds

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s

error: test failed, to rerun pass `-p m5-cli --test gc`
error: 1 target failed:
    `-p m5-cli --test gc`
"""
DIED = "running 2 tests\nerror: test failed, to rerun pass `-p m5-heap --lib`\n"
PASSED = "running 1 test\ntest it_holds ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored\n"
NOTHING = "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored\n"


def run(tmp_path: Path, cargo: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with this shell script for cargo."""
    program = tmp_path / "cargo"
    program.write_text("#!/bin/sh\n" + cargo)
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, SCRIPT], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def told(tmp_path: Path, *answers: tuple[int, str]) -> tuple[int, str, list[str]]:
    """Runs the script with a cargo that answers this, one after the other: its code, its words, what it asked."""
    for index, (code, text) in enumerate(answers):
        (tmp_path / f"answer{index}").write_text(text)
        (tmp_path / f"code{index}").write_text(str(code))
    cargo = f'cd {tmp_path}\nn=$(cat asked 2>/dev/null | wc -l)\necho "$*" >>asked\ncat answer$n\nexit $(cat code$n)\n'
    done = run(tmp_path, cargo)
    return done.returncode, done.stdout, (tmp_path / "asked").read_text().splitlines()


def test_what_passes_is_run_once(tmp_path):
    code, _, asked = told(tmp_path, (0, PASSED))
    assert (code, asked) == (0, ["test --workspace --no-fail-fast"])


def test_what_passes_alone_is_named_as_unsteady(tmp_path):
    code, said, asked = told(tmp_path, (101, FAILED), (0, PASSED))
    assert code == 0
    assert asked[1] == "test --workspace --test gc -- --test-threads=1 --exact it_holds"
    assert "unsteady (failed beside others, passed alone): -p m5-cli --test gc: it_holds" in said


def test_what_fails_twice_fails(tmp_path):
    code, said, _ = told(tmp_path, (101, FAILED), (101, FAILED))
    assert code == 1
    assert "failed twice: -p m5-cli --test gc: it_holds" in said


def test_a_second_try_that_ran_nothing_is_none(tmp_path):
    assert told(tmp_path, (101, FAILED), (0, NOTHING))[0] == 1


def test_a_target_that_died_is_tried_whole(tmp_path):
    code, said, asked = told(tmp_path, (101, DIED), (0, PASSED))
    assert (code, asked[1]) == (0, "test --workspace --lib -- --test-threads=1")
    assert "the whole target" in said


def test_what_does_not_compile_is_no_accident(tmp_path):
    code, _, asked = told(tmp_path, (101, "error: could not compile `m5-cli`\n"))
    assert (code, len(asked)) == (101, 1)


def test_much_that_fails_is_no_accident(tmp_path):
    many = "failures:\n" + "".join(f"    test{n}\n" for n in range(20))
    many += "test result: FAILED. 0 passed; 20 failed\nerror: test failed, to rerun pass `-p m5-gc --lib`\n"
    code, _, asked = told(tmp_path, (101, many))
    assert (code, len(asked)) == (101, 1)


def test_what_a_test_left_running_is_not_waited_for(tmp_path):
    """It holds on to what it was given to write to."""
    done = run(tmp_path, f"sleep 600 &\necho $! >{tmp_path}/pid\necho done\n")
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done")
