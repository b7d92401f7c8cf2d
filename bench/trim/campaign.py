"""Ten thousand trims of busy allocators that check every byte: on each C library that is here, in each way to use it.

    python bench/trim/campaign.py [--m5 target/release/m5] [--trims 10000] [--minutes 60] [--side-by-side 6]

A target for each pair of C library and way (`busy.c`, which needs a C compiler): threads allocate, fill, check and free, with
thread caches and without, in one arena and in many, in huge pages, with locked pieces, with threads that end, under
`MALLOC_CHECK_`. Each is trimmed again and again by the program, as a user types it. What was counted is kept in
`out/bench/trim-campaign.json`: a campaign that was ended goes on where it was. Libraries besides the system's are those of
the roots that tests/interpreters.sh has fetched (entering them needs root). Exit code 1: a byte was wrong, or a target died.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATE = HERE.parents[1] / "out" / "bench" / "trim-campaign.json"
ROOTS = Path(os.environ.get("M5_INTERPRETERS", Path.home() / ".cache/m5/interpreters"))
LIBC = "lib/x86_64-linux-gnu/libc.so.6"
CHECKS = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
# The environment, and the words for busy.c.
WAYS = {
    "as it is": ({}, []),
    "no thread caches": ({"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}, []),
    "one arena": ({"MALLOC_ARENA_MAX": "1"}, []),
    "huge pages": ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}, []),
    "locked pieces": ({}, ["lock"]),
    "threads end": ({}, ["ends"]),
    "MALLOC_CHECK_": (CHECKS, []),
}


def version(root):
    try:
        found = re.search(rb"GNU C Library [^\n]*release version ([0-9.]+[0-9])", (root / LIBC).read_bytes())
    except OSError:
        return None
    return found and found[1].decode()


def libraries():
    """A root for each C library, by its version."""
    found = {}
    for root in [Path("/"), *sorted(ROOTS.glob("debian-*"))]:
        known = version(root)
        if known and (root == Path("/") or os.geteuid() == 0):
            found.setdefault(known, root)
    return found


class Target:
    """One busy program, and what was done to it."""

    def __init__(self, library, root, way, program):
        self.library, self.way, self.name = library, way, f"{library}, {way}"
        environment, words = WAYS[way]
        self.copy = root / "tmp" / f"m5-busy-{os.getpid()}-{threading.get_ident()}"
        shutil.copy(program, self.copy)
        inside = f"/tmp/{self.copy.name}"
        command = [inside, "3", "300", "98304", "20000", *words]
        if root != Path("/"):
            command = ["chroot", str(root), *command]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **environment}
        )
        if self.process.stdout.readline().strip() != "ready":
            self.copy.unlink(missing_ok=True)
            raise RuntimeError(f"{self.name}: it did not start")
        self.counts, self.ended, self.longest = collections.Counter(), collections.Counter(), 0.0

    def trim(self, arguments):
        options = ["--min", "0", "--recheck", "0", "--max-pause", arguments.max_pause, "--json"]
        command = [arguments.m5, "trim", "-p", str(self.process.pid), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout:
            self.ended[done.stderr.strip().splitlines()[-1][:90] if done.stderr else "no word"] += 1
            return
        told = json.loads(done.stdout)
        self.ended[told["ended"]] += 1
        self.counts["trims"] += told["stops"] > 0
        self.counts["gave"] += told["given_bytes"] > 0
        for what in ("given_bytes", "calls", "stops", "missed_moments"):
            self.counts[what] += told[what]
        self.longest = max(self.longest, told["longest_stop_seconds"] or 0.0)

    def ask(self):
        """Whether it lives, and every byte so far was right."""
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            wrong, checked, rounds, damaged = map(int, self.process.stdout.readline().split())
        except (OSError, ValueError):
            return False
        self.counts.update({"wrong": wrong, "checked": checked, "rounds": rounds, "damaged": damaged})
        return not wrong and not damaged

    def end(self):
        right = self.ask()
        self.process.stdin.close()
        self.copy.unlink(missing_ok=True)
        return self.process.wait() == 0 and right


class Campaign:
    def __init__(self, arguments):
        self.arguments = arguments
        self.lock = threading.Lock()
        self.kept = json.loads(STATE.read_text()) if STATE.exists() and not arguments.fresh else {}
        self.deadline = time.monotonic() + 60 * arguments.minutes
        self.begun, self.failed, self.stop = self.trims(), [], False

    def trims(self):
        return sum(row["counts"]["trims"] for row in self.kept.values())

    def goes_on(self):
        return not self.stop and time.monotonic() < self.deadline and self.trims() < self.arguments.trims

    def keep(self, target, right):
        with self.lock:
            row = self.kept.setdefault(target.name, {"counts": {}, "ended": {}, "longest": 0.0, "targets": 0})
            row["targets"] += 1
            row["longest"] = max(row["longest"], target.longest)
            for known, more in ((row["counts"], target.counts), (row["ended"], target.ended)):
                for name, number in more.items():
                    known[name] = known.get(name, 0) + number
            row["counts"].setdefault("trims", 0)
            if not right:
                self.failed.append(
                    f"{target.name}: status {target.process.returncode}, {dict(target.counts)}"
                )
            STATE.parent.mkdir(parents=True, exist_ok=True)
            fresh = STATE.with_suffix(".new")
            fresh.write_text(json.dumps(self.kept, indent=1))
            fresh.replace(STATE)
            done = self.trims()
            print(f"{done:,} trims; {target.name}: {target.counts['trims']} more, longest stop "
                  f"{target.longest * 1e3:.1f} ms{'' if right else ': WRONG'}", flush=True)  # fmt: skip

    def work(self, queue, program):
        """Targets one after the other, each for some trims, until there are enough of all."""
        while self.goes_on():
            with self.lock:
                library, root, way = queue[0]
                queue.rotate(-1)
            try:
                target = Target(library, root, way, program)
            except (OSError, RuntimeError) as error:
                self.failed.append(str(error))
                return
            for _ in range(self.arguments.each):
                if not self.goes_on() or target.process.poll() is not None:
                    break
                target.trim(self.arguments)
            self.keep(target, target.end())

    def run(self):
        found = libraries()
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "busy"
            subprocess.run(["cc", "-O3", "-pthread", "-o", program, HERE / "busy.c"], check=True)
            queue = collections.deque((known, root, way) for way in WAYS for known, root in found.items())
            print(
                f"C libraries {', '.join(found)}; {len(queue)} kinds of targets, {self.begun:,} trims so far",
                flush=True,
            )
            threads = [
                threading.Thread(target=self.work, args=(queue, program))
                for _ in range(self.arguments.side_by_side)
            ]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    thread.join()
            except KeyboardInterrupt:
                self.stop = True
                for thread in threads:
                    thread.join()

    def table(self):
        heads = (
            "trims",
            "gave",
            "MiB back",
            "stops",
            "missed",
            "longest ms",
            "blocks checked",
            "wrong bytes",
            "damaged",
        )
        widths = (6, 6, 9, 7, 7, 11, 15, 12, 8)
        print(f"\n{'C library, way':28}", *(f"{head:>{width}}" for head, width in zip(heads, widths)))
        total = collections.Counter()
        for name, row in sorted(self.kept.items()):
            counts = collections.Counter(row["counts"])
            total.update(counts)
            self.line(name, counts, row["longest"])
            others = {word: number for word, number in row["ended"].items() if word != "done"}
            if others:
                print(
                    f"    not all of it: {', '.join(f'{word} {number}' for word, number in sorted(others.items()))}"
                )
        self.line("all", total, max((row["longest"] for row in self.kept.values()), default=0.0))

    @staticmethod
    def line(name, counts, longest):
        print(f"{name:28} {counts['trims']:6,} {counts['gave']:6,} {counts['given_bytes'] / 2**20:9,.0f} {counts['stops']:7,} "
              f"{counts['missed_moments']:7,} {longest * 1e3:11.1f} {counts['checked']:15,} {counts['wrong']:12,} "
              f"{counts['damaged']:8,}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--trims", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--side-by-side", type=int, default=6)
    parser.add_argument("--each", type=int, default=20, help="trims of one target before the next")
    parser.add_argument("--max-pause", default="50ms")
    parser.add_argument("--fresh", action="store_true", help="forget what was counted")
    campaign = Campaign(parser.parse_args())
    campaign.run()
    campaign.table()
    for line in campaign.failed:
        print(f"WRONG: {line}")
    return 1 if campaign.failed else 0


if __name__ == "__main__":
    sys.exit(main())
