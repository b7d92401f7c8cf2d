#!/usr/bin/env python3
"""Has foreign programs read what `m5 snapshot` exports, and compares what they see with what m5 says.

    tests/exports/check.py [--m5 PATH] [--python PATH]

Readers: `go tool pprof` (or `pprof`) for the profile; Node with @memlab/heap-analysis (found by NODE_PATH) for the heap
snapshot. One that is not there is named and left out. Ends with 1 where a reader disagrees.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TICKS = 20_000
MORE = 5_000
PROGRAM = f"""
import sys
class Tick:
    def __init__(self, i):
        self.i, self.name = i + 1000, f"tick {{i}}"
class Feed: pass
FEED = Feed()
FEED.history = [Tick(i) for i in range({TICKS})]
print("ready", flush=True)
sys.stdin.readline()
FEED.history += [Tick(i) for i in range({MORE})]
print("more", flush=True)
sys.stdin.readline()
"""


class Checks:
    failed = 0

    def equal(self, what, seen, expected):
        good = seen == expected
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {what}: {seen}" + ("" if good else f", expected {expected}"))


def export(options, directory):
    """Two snapshots of one process, the first one in every form; and the difference in words."""

    def m5(*arguments):
        result = subprocess.run(
            [options.m5, *map(str, arguments)], capture_output=True, text=True, timeout=300
        )
        if result.returncode:
            raise SystemExit(f"m5 {' '.join(map(str, arguments))}: {result.stderr}")
        return result.stdout

    program = directory / "program.py"
    program.write_text(PROGRAM)
    target = subprocess.Popen(
        [options.python, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        for name in ("a", "b"):
            target.stdout.readline()
            m5("snapshot", "-p", target.pid, "--save", directory / f"{name}.m5snap")
            target.stdin.write("\n")
            target.stdin.flush()
    finally:
        target.kill()
        target.wait()
    for form in ("pprof", "heapsnapshot", "folded", "html"):
        m5("snapshot", "--load", directory / "a.m5snap", "--format", form, "-o", directory / f"a.{form}")
    report = json.loads(m5("snapshot", "--load", directory / "a.m5snap", "--json", "--top", 100_000))
    same = m5("diff", directory / "a.m5snap", directory / "a.m5snap")
    return report["heap"], m5("diff", directory / "a.m5snap", directory / "b.m5snap"), same


def profile(directory, heap, checks):
    command = ["go", "tool", "pprof"] if shutil.which("go") else [shutil.which("pprof")]
    if not command[0]:
        return print("left out: neither go nor pprof is here")
    result = subprocess.run([*command, "-raw", str(directory / "a.pprof")], capture_output=True, text=True)
    samples = re.search(r"Samples:\n.*\n((?:\s+\d+: .*\n)+)", result.stdout)
    total = sum(int(line.split(":")[0]) for line in samples.group(1).splitlines()) if samples else None
    checks.equal("pprof: bytes", total, heap["bytes"])
    checks.equal("pprof: names its holder", "FEED.history (list)" in result.stdout, True)


def panel(directory, heap, checks):
    if not shutil.which("node"):
        return print("left out: node is not here")
    command = ["node", str(HERE / "read_heapsnapshot.js"), str(directory / "a.heapsnapshot"), "__main__.Feed"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "Cannot find module" in result.stderr:
        return print("left out: @memlab/heap-analysis is not here (set NODE_PATH)")
    seen = json.loads(result.stdout.strip().splitlines()[-1])
    checks.equal("heap snapshot: nodes", seen["nodes"], heap["objects"] + 1)
    checks.equal("heap snapshot: bytes", seen["bytes"], heap["bytes"])
    checks.equal("heap snapshot: its path", seen.get("path", [])[-1:], ["FEED"])
    ours = next((row["retained_bytes"] for row in heap["types"] if row["type_name"] == "__main__.Feed"), None)
    # What a stray word of native memory points to stays its holder's in m5's tree; memlab knows no such rule.
    close = ours and seen.get("holder") and abs(ours - seen["holder"]) <= ours // 1000
    checks.equal(
        f"heap snapshot: retained {seen.get('holder')} by the holder, near m5's {ours}", bool(close), True
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", default=str(ROOT / "target/release/m5"))
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        heap, growth, same = export(options, directory)
        lines = (directory / "a.folded").read_text().splitlines()
        checks.equal("folded: bytes", sum(int(line.rsplit(" ", 1)[1]) for line in lines), heap["bytes"])
        profile(directory, heap, checks)
        panel(directory, heap, checks)
        checks.equal(
            "diff: the culprit's holder", "held by __main__.Feed.history (list, 25,000 items)" in growth, True
        )
        checks.equal("diff: nothing grew between a file and itself", "a second" in same, False)
    sys.exit(checks.failed > 0)


main()
