"""Every Rust test: `python3 scripts/run_rust_tests.py [ARGS of cargo test]` (default: --workspace).

Everything is built first; then as many test binaries run side by side as there are processors (two at least: live
tests wait most of their time), each with its output printed whole when it ends. No test binary keeps the others from
running. What failed is tried once more, alone, with nothing beside it. What fails there too fails; what passes there
is printed as unsteady, by name.

Exit codes: 0 all passed (perhaps at the second try), 1 not, cargo's own where something could not be built.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

# More than these are no accident of a busy machine.
MOST_AT_ONCE = 12
STARTED = re.compile(r"^running \d+ tests?$")
LISTED_TEST = re.compile(r"^    (\S+)$")
RESULT = re.compile(r"^test result: (\w+)\. (\d+) passed")
SLOWEST = 10


@dataclass(frozen=True)
class Binary:
    """One test binary, and where cargo would run it."""

    name: str
    program: Path
    folder: Path


@dataclass
class Outcome:
    """How a binary ended, and its failed tests by name; one that died without naming any has none."""

    code: int = 0
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def read(lines: Iterable[str], code: int) -> Outcome:
    """What a test binary printed."""
    outcome = Outcome(code)
    names: list[str] = []
    for line in lines:
        if line == "failures:" or STARTED.match(line):
            # The first stands twice: before what the tests said, and before their names.
            names = []
        elif test := LISTED_TEST.match(line):
            names.append(test[1])
        elif result := RESULT.match(line):
            outcome.passed += int(result[2])
            outcome.failed += names if result[1] == "FAILED" else []
    return outcome


def run(command: Sequence[str | Path], folder: Path) -> tuple[int, str]:
    """Runs it to its end: its code, and what it printed.

    Into a file and not a pipe: what a test left running would hold that open, and be waited for.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        ended = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
        )
        log.seek(0)
        return ended.returncode, log.read()


def tried(binary: Binary, arguments: Sequence[str]) -> tuple[Outcome, str]:
    """Runs a test binary: how it ended, and what it printed."""
    begun = time.monotonic()
    code, said = run([binary.program, *arguments], binary.folder)
    outcome = read(said.splitlines(), code)
    outcome.seconds = time.monotonic() - begun
    return outcome, said


def built(arguments: Sequence[str]) -> tuple[int, list[Binary]]:
    """Builds the tests: cargo's code, and the binaries in the order of their names."""
    command = ["cargo", "test", *arguments, "--no-run", "--message-format=json-render-diagnostics"]
    print("+", " ".join(command), flush=True)
    cargo = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    binaries = []
    for line in cargo.stdout.splitlines():
        said = json.loads(line)
        if said.get("executable") and said.get("profile", {}).get("test"):
            folder = Path(said["manifest_path"]).parent
            kind, name = said["target"]["kind"][0], said["target"]["name"]
            which = "--lib" if kind.endswith("lib") else f"--{kind} {name}"
            package = said["package_id"].rpartition("#")[2].partition("@")[0]
            if package[:1].isdigit():
                package = folder.name
            binaries.append(Binary(f"-p {package} {which}", Path(said["executable"]), folder))
    return cargo.returncode, sorted(binaries, key=lambda binary: binary.name)


def alone(binary: Binary, names: list[str], arguments: Sequence[str]) -> bool:
    """Whether these tests pass when nothing runs beside them (all of the binary, where none was named)."""
    exact = ["--exact", *names] if names else []
    print(f"once more, alone: {binary.name} {' '.join(names)}", flush=True)
    again, said = tried(binary, [*arguments, "--test-threads=1", *exact])
    print(said, flush=True)
    return again.code == 0 and again.passed >= max(1, len(names))


def side_by_side(binaries: list[Binary], arguments: Sequence[str]) -> dict[Binary, Outcome]:
    """Runs them all; each one's output is printed when it has ended."""
    outcomes = {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        waiting = {pool.submit(tried, binary, arguments): binary for binary in binaries}
        for done in as_completed(waiting):
            binary = waiting[done]
            outcomes[binary], said = done.result()
            print(
                f"     Running {binary.name} ({outcomes[binary].seconds:.1f} s)\n{said}", end="", flush=True
            )
    return outcomes


def judged(outcomes: dict[Binary, Outcome], arguments: Sequence[str]) -> int:
    """Tries once more what failed, and says what came of it."""
    failed = {binary: outcome.failed for binary, outcome in outcomes.items() if outcome.code}
    count = sum(max(1, len(names)) for names in failed.values())
    if count > MOST_AT_ONCE:
        print(f"{count} Rust tests failed; not tried again", flush=True)
        return 1
    still = [binary for binary, names in failed.items() if not alone(binary, names, arguments)]
    for binary, names in failed.items():
        word = "failed twice" if binary in still else "unsteady (failed beside others, passed alone)"
        print(f"{word}: {binary.name}: {', '.join(names) or 'the whole binary'}", flush=True)
    return 1 if still else 0


def main() -> int:
    """Builds, runs all, then once more what failed; examples in the documentation last."""
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    of_cargo, of_tests = given[:cut] or ["--workspace"], given[cut + 1 :]
    code, binaries = built(of_cargo)
    if code:
        return code
    outcomes = side_by_side(binaries, of_tests)
    slowest = sorted(outcomes.items(), key=lambda pair: -pair[1].seconds)[:SLOWEST]
    print("slowest: " + ", ".join(f"{binary.name} {outcome.seconds:.0f} s" for binary, outcome in slowest))
    code = judged(outcomes, of_tests)
    if not given:
        examples = subprocess.run(["cargo", "test", "--workspace", "--doc"], check=False)
        code = code or examples.returncode
    print(f"{sum(outcome.passed for outcome in outcomes.values())} Rust tests passed", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
