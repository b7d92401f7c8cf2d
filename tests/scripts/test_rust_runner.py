"""scripts/run_rust_tests.py: what failed is found by name, and tried alone; nothing that failed twice passes."""

from __future__ import annotations

import json
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
"""
DIED = "running 2 tests\n"
PASSED = "running 1 test\ntest it_holds ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored\n"
NOTHING = "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored\n"


def program(path: Path, shell: str) -> Path:
    path.write_text("#!/bin/sh\n" + shell)
    path.chmod(0o755)
    return path


def binary(tmp_path: Path, name: str, *answers: tuple[int, str]) -> dict:
    """A test binary that answers this, one after the other, as cargo tells of it."""
    folder = tmp_path / "crates" / "cli"
    folder.mkdir(parents=True, exist_ok=True)
    for index, (code, text) in enumerate(answers):
        (tmp_path / f"{name}.answer{index}").write_text(text)
        (tmp_path / f"{name}.code{index}").write_text(str(code))
    at = tmp_path / name
    asked = f'n=$(cat {at}.asked 2>/dev/null | wc -l)\necho "$*" >>{at}.asked\npwd >{at}.folder\n'
    executable = program(at, asked + f"cat {at}.answer$n\nexit $(cat {at}.code$n)\n")
    return {
        "reason": "compiler-artifact",
        "package_id": f"path+file://{folder}#m5-cli@0.1.0",
        "manifest_path": str(folder / "Cargo.toml"),
        "target": {"kind": ["test"], "name": name},
        "profile": {"test": True},
        "executable": str(executable),
    }


def run(tmp_path: Path, *told: dict, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs the script with a cargo that has built these."""
    library = {"reason": "compiler-artifact", "executable": None, "profile": {"test": False}}
    lines = [json.dumps(said) for said in (library, *told, {"reason": "build-finished"})]
    (tmp_path / "built").write_text("\n".join(lines) + "\n")
    asked = f'echo "$*" >>{tmp_path}/cargo.asked\n'
    program(
        tmp_path / "cargo", asked + f'case "$*" in *--no-run*) cat {tmp_path}/built; exit {code};; esac\n'
    )
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, SCRIPT], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def asked(tmp_path: Path, name: str) -> list[str]:
    return (tmp_path / f"{name}.asked").read_text().splitlines()


def test_what_passes_is_run_once_where_cargo_would_run_it(tmp_path):
    done = run(tmp_path, binary(tmp_path, "gc", (0, PASSED)), binary(tmp_path, "heap", (0, PASSED)))
    assert done.returncode == 0
    assert asked(tmp_path, "gc") == asked(tmp_path, "heap") == [""]
    assert (tmp_path / "gc.folder").read_text().strip() == str(tmp_path / "crates" / "cli")
    assert done.stdout.count("test result: ok. 1 passed") == 2
    assert "2 Rust tests passed" in done.stdout
    assert asked(tmp_path, "cargo")[-1] == "test --workspace --doc"


def test_what_passes_alone_is_named_as_unsteady(tmp_path):
    done = run(
        tmp_path, binary(tmp_path, "gc", (101, FAILED), (0, PASSED)), binary(tmp_path, "heap", (0, PASSED))
    )
    assert done.returncode == 0
    assert asked(tmp_path, "gc")[1] == "--test-threads=1 --exact it_holds"
    assert len(asked(tmp_path, "heap")) == 1
    assert "unsteady (failed beside others, passed alone): -p m5-cli --test gc: it_holds" in done.stdout


def test_what_fails_twice_fails(tmp_path):
    done = run(tmp_path, binary(tmp_path, "gc", (101, FAILED), (101, FAILED)))
    assert done.returncode == 1
    assert "failed twice: -p m5-cli --test gc: it_holds" in done.stdout


def test_a_second_try_that_ran_nothing_is_none(tmp_path):
    assert run(tmp_path, binary(tmp_path, "gc", (101, FAILED), (0, NOTHING))).returncode == 1


def test_a_binary_that_died_is_tried_whole(tmp_path):
    done = run(tmp_path, binary(tmp_path, "gc", (101, DIED), (0, PASSED)))
    assert (done.returncode, asked(tmp_path, "gc")[1]) == (0, "--test-threads=1")
    assert "the whole binary" in done.stdout


def test_what_does_not_compile_is_no_accident(tmp_path):
    done = run(tmp_path, binary(tmp_path, "gc", (0, PASSED)), code=101)
    assert (done.returncode, (tmp_path / "gc.asked").exists()) == (101, False)


def test_examples_in_the_documentation_can_fail(tmp_path):
    told = binary(tmp_path, "gc", (0, PASSED))
    run(tmp_path, told)
    shell = (
        (tmp_path / "cargo")
        .read_text()
        .replace("#!/bin/sh\n", '#!/bin/sh\ncase "$*" in *--doc*) exit 101;; esac\n')
    )
    program(tmp_path / "refusing", shell).rename(tmp_path / "cargo")
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (tmp_path / "gc.asked").unlink()
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, check=False, timeout=60)
    assert done.returncode == 101


def test_much_that_fails_is_no_accident(tmp_path):
    many = "failures:\n" + "".join(f"    test{n}\n" for n in range(20))
    many += "test result: FAILED. 0 passed; 20 failed\n"
    done = run(tmp_path, binary(tmp_path, "gc", (101, many)))
    assert (done.returncode, len(asked(tmp_path, "gc"))) == (1, 1)


def test_what_a_test_left_running_is_not_waited_for(tmp_path):
    """It holds on to what it was given to write to."""
    told = binary(tmp_path, "gc", (0, PASSED))
    program(tmp_path / "gc", f"sleep 600 &\necho $! >{tmp_path}/pid\necho 'test result: ok. 1 passed'\n")
    done = run(tmp_path, told)
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 Rust tests passed")
