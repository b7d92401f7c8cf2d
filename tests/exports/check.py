#!/usr/bin/env python3
"""Has foreign programs read what `m5 snapshot` exports, and compares what they see with what m5 says.

    tests/exports/check.py [--m5 PATH] [--python PATH]

Readers: `go tool pprof` (or `pprof`) for the profile; Chromium's own memory panel (with Python's websockets), and Node
with @memlab/heap-analysis (found by NODE_PATH), for the heap snapshot; speedscope (by NODE_PATH too)
for folded stacks and the profile; Chromium for the page. One that is not there is named and left out. Ends with 1 where a
reader disagrees.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
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
    """Two snapshots of one process in every form; both as m5 tells them, and the difference in words."""

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
    heaps = []
    for name in ("a", "b"):
        load = ("snapshot", "--load", directory / f"{name}.m5snap")
        for form in ("pprof", "heapsnapshot", "folded", "html"):
            m5(*load, "--format", form, "-o", directory / f"{name}.{form}")
        heaps.append(json.loads(m5(*load, "--json", "--top", 100_000))["heap"])
    same = m5("diff", directory / "a.m5snap", directory / "a.m5snap")
    return heaps, m5("diff", directory / "a.m5snap", directory / "b.m5snap"), same


def profile(directory, heap, checks):
    command = ["go", "tool", "pprof"] if shutil.which("go") else [shutil.which("pprof")]
    if not command[0]:
        return print("left out: neither go nor pprof is here")

    def ask(*words):
        return subprocess.run([*command, *words], capture_output=True, text=True, cwd=directory).stdout

    raw = ask("-raw", "a.pprof")
    values = [tuple(map(int, pair)) for pair in re.findall(r"^ +(\d+) +(\d+): [\d ]+$", raw, re.MULTILINE)]
    objects, size = map(sum, zip(*values)) if values else (None, None)
    checks.equal("pprof: objects, bytes", (objects, size), (heap["objects"], heap["bytes"]))
    checks.equal("pprof: names its holder", "FEED.history (list)" in raw, True)
    base = ("-top", "-sample_index=inuse_objects", "-diff_base", "a.pprof", "b.pprof")
    grown = [int(line.split()[0]) for line in ask(*base).splitlines() if line.endswith("__main__.Tick")]
    # The one that was made last may be the frame's as well as the list's.
    near = bool(grown) and MORE - 1 <= grown[0] <= MORE
    checks.equal(f"pprof: {grown} new objects between two profiles, near {MORE}", near, True)


def flame_graph(directory, heap, checks):
    if not shutil.which("chromium"):
        return print("left out: chromium is not here")
    try:
        import speedscope
    except ImportError as missing:
        return print(f"left out: speedscope needs Python's {missing.name}")
    if not (start := speedscope.page()):
        return print("left out: speedscope is not here (set NODE_PATH)")
    files = [directory / "a.folded", directory / "a.pprof"]
    folded, pprof = speedscope.look(files, start)
    name = next(n for n in folded if n.endswith("FEED.history (list)"))
    total = re.sub(r"\D", "", folded[name][0].split("(")[0])
    parts = [h for h in every(heap["holdings"]) if f"{h['name']} ({h['type_name']})" == name]
    checks.equal("speedscope, folded: the holder's bytes", total, str(parts[0]["retained_bytes"]))
    checks.equal("speedscope, pprof: the holder", name in pprof, True)


def every(holdings):
    for holding in holdings:
        yield holding
        yield from every(holding.get("parts", []))


def page(directory, checks):
    if not shutil.which("chromium"):
        return print("left out: chromium is not here")
    try:
        import html_page
    except ImportError as missing:
        return print(f"left out: the page needs Python's {missing.name}")
    for screen, faults in html_page.look(directory / "a.html").items():
        checks.equal(f"page, {screen}: faults", {what: how for what, how in faults.items() if how}, {})


def rows(heap, column):
    """A column of m5's table by name; some classes share one."""
    sums = Counter()
    for row in heap["types"]:
        sums[row["type_name"]] += row[column]
    return sums


def panel(directory, heaps, checks):
    if not shutil.which("chromium"):
        return print("left out: chromium is not here")
    try:
        from panel import look
    except ImportError as missing:
        return print(f"left out: Chrome's memory panel needs Python's {missing.name}")
    seen = look([directory / "a.heapsnapshot", directory / "b.heapsnapshot"], "__main__.Tick")
    for heap, classes, seconds in zip(heaps, seen["classes"], seen["seconds"]):
        print(f"     panel: {heap['objects']:,} objects in {len(classes)} classes, read in {seconds:.1f} s")
        shared = {name for name, rows in Counter(r["type_name"] for r in heap["types"]).items() if rows > 1}
        for ours, theirs in (("count", "count"), ("bytes", "shallow"), ("retained_bytes", "retained")):
            expected = rows(heap, ours)
            names = (expected.keys() | classes.keys()) - (shared if theirs == "retained" else set())
            wrong = {n: (classes.get(n, {}).get(theirs), expected[n]) for n in names}
            wrong = {n: pair for n, pair in wrong.items() if pair[0] != pair[1]}
            checks.equal(f"panel: {theirs} of {len(names)} classes, not as m5 says", wrong, {})
    print("     panel:", " < ".join(f"{edge} in {node}" for edge, node, _ in seen["path"]))
    end = seen["path"][-1][1]
    checks.equal("panel: retainers end at a kind of root", end in ("(modules)", "(frames of threads)"), True)
    edges, nodes = ({step[part] for step in seen["path"]} for part in (0, 1))
    checks.equal("panel: they pass the holder", ("history" in edges, "__main__.Feed" in nodes), (True, True))
    before, after = (rows(heap, "count") for heap in heaps)
    expected = {name: after[name] - before[name] for name in after | before if after[name] != before[name]}
    delta = {name: row["delta"] for name, row in seen["growth"].items() if row["delta"]}
    checks.equal("panel: classes whose number of instances changed", delta, expected)
    grown = seen["growth"]["__main__.Tick"]
    checks.equal("panel: new, gone", (grown["added"], grown["removed"]), (MORE, 0))
    checks.equal("panel: complaints in its console", seen["complaints"], [])


def memlab(directory, heap, checks):
    if not shutil.which("node"):
        return print("left out: node is not here")
    command = ["node", str(HERE / "read_heapsnapshot.js"), str(directory / "a.heapsnapshot"), "__main__.Feed"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "Cannot find module" in result.stderr:
        return print("left out: @memlab/heap-analysis is not here (set NODE_PATH)")
    seen = json.loads(result.stdout.strip().splitlines()[-1])
    checks.equal("memlab: objects", seen["nodes"], heap["objects"])
    checks.equal("memlab: bytes", seen["bytes"], heap["bytes"])
    checks.equal("memlab: its path", seen.get("path", [])[-1:], ["FEED"])
    ours = next((row["retained_bytes"] for row in heap["types"] if row["type_name"] == "__main__.Feed"), None)
    checks.equal("memlab: retained by the holder", seen.get("holder"), ours)


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
        heaps, growth, same = export(options, directory)
        heap = heaps[0]
        lines = (directory / "a.folded").read_text().splitlines()
        checks.equal("folded: bytes", sum(int(line.rsplit(" ", 1)[1]) for line in lines), heap["bytes"])
        profile(directory, heap, checks)
        flame_graph(directory, heap, checks)
        page(directory, checks)
        panel(directory, heaps, checks)
        memlab(directory, heap, checks)
        checks.equal(
            "diff: the culprit's holder", "held by __main__.Feed.history (list, 25,000 items)" in growth, True
        )
        checks.equal("diff: nothing grew between a file and itself", "a second" in same, False)
    sys.exit(checks.failed > 0)


main()
