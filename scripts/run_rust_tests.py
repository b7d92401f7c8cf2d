"""Every Rust test: `python3 scripts/run_rust_tests.py [ARGS of cargo test]` (default: --workspace).

No test binary keeps the others from running. Live tests share the machine with each other: what failed is tried once
more, alone, with nothing beside it. What fails there too fails; what passes there is printed as unsteady, by name.

Exit codes: 0 all passed (perhaps at the second try), 1 not, cargo's own where nothing could be run.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

# More than these are no accident of a busy machine.
MOST_AT_ONCE = 12
STARTED = re.compile(r"^running \d+ tests?$")
LISTED_TEST = re.compile(r"^    (\S+)$")
RESULT = re.compile(r"^test result: (\w+)\. (\d+) passed")
PACKAGE = re.compile(r"(-p|--package) \S+")
FAILED_TARGET = re.compile(r"to rerun pass `(.+)`$")


@dataclass
class Outcome:
    """What cargo said: how it ended, and the failed tests by target (`-p m5-cli --test gc`)."""

    code: int = 0
    passed: int = 0
    failed: dict[str, list[str]] = field(default_factory=dict)


def read(lines: Iterable[str], code: int) -> Outcome:
    """The failed tests by target; a target that died without naming a test has none."""
    outcome = Outcome(code)
    names: list[str] = []
    for line in lines:
        line = line.rstrip("\n")
        if target := FAILED_TARGET.search(line):
            outcome.failed[target[1]] = names
            names = []
        elif line == "failures:":
            # It stands twice: before what the tests said, and before their names.
            names = []
        elif test := LISTED_TEST.match(line):
            names.append(test[1])
        elif result := RESULT.match(line):
            outcome.passed += int(result[2])
            names = names if result[1] == "FAILED" else []
        elif STARTED.match(line):
            names = []
    return outcome


def run(arguments: list[str]) -> Outcome:
    """Runs `cargo test` with these, passing on what it prints."""
    command = ["cargo", "test", *arguments]
    print("+", shlex.join(command), flush=True)
    # A file and not a pipe: what a test left running would hold that open, and be waited for.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        cargo = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        said = ""
        with open(f"/proc/self/fd/{log.fileno()}", encoding="utf-8", errors="replace") as so_far:
            while True:
                ended = cargo.poll() is not None
                part = so_far.read()
                print(part, end="", flush=True)
                said += part
                if ended:
                    break
                time.sleep(0.1)
    return read(said.splitlines(), cargo.returncode)


def alone(target: str, names: list[str]) -> bool:
    """Whether these tests pass when nothing runs beside them (all of the target, where none was named)."""
    exact = ["--exact", *names] if names else []
    # A package by itself has other features on, and much would be built again.
    again = run([*shlex.split(PACKAGE.sub("--workspace", target)), "--", "--test-threads=1", *exact])
    return again.code == 0 and again.passed >= max(1, len(names))


def main() -> int:
    """Runs all, then once more what failed."""
    first = run([*(sys.argv[1:] or ["--workspace"]), "--no-fail-fast"])
    if first.code == 0:
        return 0
    count = sum(max(1, len(names)) for names in first.failed.values())
    if not first.failed or count > MOST_AT_ONCE:
        print(f"{count} Rust tests failed; not tried again", flush=True)
        return first.code
    still = {}
    for target, names in first.failed.items():
        if not alone(target, names):
            still[target] = names
    for target, names in first.failed.items():
        word = "failed twice" if target in still else "unsteady (failed beside others, passed alone)"
        print(f"{word}: {target}: {', '.join(names) or 'the whole target'}", flush=True)
    return 1 if still else 0


if __name__ == "__main__":
    sys.exit(main())
