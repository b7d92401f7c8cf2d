#!/usr/bin/env python3
"""What a snapshot costs the target and m5, by method and size of the heap, beside peers that run inside.

    bench/snapshot/run.py [--python PATH] [--sizes 1000000:100,10000000:1000] [--peers objgraph,guppy3,pympler]

Sizes are objects and megabytes. Peers that do not import in that Python are left out with a word. Figures depend on
the machine and on what else runs there; compare within one run only.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def rss(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


class Target:
    def __init__(self, python, objects, megabytes):
        command = [python, str(HERE / "target.py"), str(objects), str(megabytes * 1_000_000)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the target ended early")
        return line.strip()

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.kill()
        self.process.wait()


def snapshot(program, target, method):
    pid = target.process.pid
    before = rss(pid)
    target.ask("reset")
    quiet = float(target.ask("gap"))
    target.ask("reset")
    command = [
        "/usr/bin/env",
        "bash",
        "-c",
        'TIMEFORMAT="%R %U %S"; time "$@"',
        "_",
        str(program),
        str(pid),
        method,
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    gap = float(target.ask("gap"))
    text = run.stdout
    objects = int(re.search(r"objects: (\d+)", text).group(1)) if "objects: " in text else None
    pause = re.search(r"pause_seconds: Some\(([\d.e-]+)\)", text)
    peak = re.search(r"peak (\d+) MiB", text)
    seconds = float(run.stderr.split()[-3])
    return {
        "method": method,
        "gap": gap,
        "quiet": quiet,
        "pause": float(pause.group(1)) if pause else None,
        "seconds": seconds,
        "rate": objects / seconds if objects else None,
        "peak": int(peak.group(1)) if peak else None,
        "grown": rss(pid) - before,
        "error": None if run.returncode == 0 else (text + run.stderr).strip()[-200:],
    }


def show(row):
    if row["error"]:
        print(f"{row['method']:10} {row['error']}")
        return

    def ms(s):
        return "-" if s is None else f"{s * 1e3:.1f} ms"

    rate = "-" if row["rate"] is None else f"{row['rate'] / 1e6:.2f} M/s"
    peak = "-" if row["peak"] is None else f"{row['peak']} MiB"
    print(
        f"{row['method']:10} longest gap {ms(row['gap']):>11}  own figure {ms(row['pause']):>9}  "
        f"total {row['seconds']:6.2f} s  {rate:>9}  m5 {peak:>9}  target {row['grown']:+.1f} MiB"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--sizes", default="1000000:100,10000000:1000")
    parser.add_argument("--peers", default="objgraph,guppy3,pympler")
    parser.add_argument("--program", help="a built `analyse` example; else it is built here")
    options = parser.parse_args()
    program = options.program
    if not program:
        build = ["cargo", "build", "--release", "-p", "m5-heap", "--example", "analyse"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = ROOT / "target/release/examples/analyse"
    for size in options.sizes.split(","):
        objects, megabytes = map(int, size.split(":"))
        target = Target(options.python, objects, megabytes)
        print(f"{objects / 1e6:g} M objects, RSS {rss(target.process.pid):.0f} MiB")
        for method in ("fork", "freeze", "live"):
            show(snapshot(program, target, method))
        target.end()
        for peer in filter(None, options.peers.split(",")):
            module = {"guppy3": "guppy"}.get(peer, peer)
            if subprocess.run([options.python, "-c", f"import {module}"], capture_output=True).returncode:
                print(f"{peer:10} is not installed for this Python")
                continue
            target = Target(options.python, objects, megabytes)
            before = rss(target.process.pid)
            target.ask("reset")
            seconds = float(target.ask(peer))
            gap = float(target.ask("gap"))
            grown = rss(target.process.pid) - before
            print(
                f"{peer:10} longest gap {gap * 1e3:9.1f} ms  total {seconds:6.2f} s  target {grown:+.1f} MiB"
            )
            target.end()


main()
