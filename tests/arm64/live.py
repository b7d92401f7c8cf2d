"""Live tests in an arm64 guest: m5 against a program that checks itself. Ends with 0 where all is well.

Everything is emulated, two dozen times slower than a machine: nothing here is a timing.
"""

import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
M5 = os.environ.get("M5", f"{HERE}/m5")
SECONDS = 8
FAULTS = []


def say(text):
    """A line with the time since the guest's start."""
    print(f"[{time.monotonic():6.1f}] {text}", flush=True)


def check(what, good, seen=""):
    """Notes one result."""
    say(f"{'ok  ' if good else 'FAIL'} {what} {seen}")
    if not good:
        FAULTS.append(what)


class Target:
    """The program under test, on one interpreter."""

    def __init__(self, python):
        self.name = python.rsplit("/", 1)[1]
        root, program = python.split(":") if ":" in python else ("", python)
        command = ["chroot", root, program] if root else [program]
        environment = {**os.environ, "GLIBC_TUNABLES": os.environ.get("M5_TUNABLES", "")}
        self.process = subprocess.Popen(
            [*command, f"{HERE}/target.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid

    def ask(self, line=""):
        """What it says of itself."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def state(self):
        """Letters of its threads' states."""
        letters = set()
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{tid}/stat") as stat:
                    letters.add(stat.read().rsplit(") ", 1)[1][0])
            except FileNotFoundError:
                pass
        return letters

    def children(self):
        """Its children, dead ones too."""
        found = []
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/children") as children:
                found += children.read().split()
        return found

    def goes_on(self):
        """Whether every thread gets on."""
        before, deadline = dict(self.ask()["turns"]), time.monotonic() + 60
        while time.monotonic() < deadline:
            now = self.ask()["turns"]
            if all(now.get(name, 0) > before.get(name, 0) for name in now) and len(now) >= 9:
                return True
            time.sleep(0.5)
        return False

    def end(self):
        """What went wrong in it."""
        answer = self.ask()
        self.process.stdin.close()
        code = self.process.wait()
        check(
            f"{self.name}: the target saw nothing",
            not answer["wrong"] and code == 0,
            str(answer["wrong"][:4]),
        )


def m5(*arguments):
    """Runs m5; its exit code, its JSON and its last words."""
    done = subprocess.run([M5, *map(str, arguments), "--json"], capture_output=True, text=True, check=False)
    try:
        value = json.loads(done.stdout)
    except ValueError:
        value = None
    return done.returncode, value, done.stderr.strip().replace("\n", " | ")[-300:]


def listed(target, version):
    """`m5 list` names it and its version."""
    code, value, said = m5("list")
    mine = [p for p in (value or {}).get("processes", []) if p["pid"] == target.pid]
    check(
        f"{target.name}: list",
        code == 0 and mine and mine[0]["python"].startswith(version),
        f"{code} {mine} {said}",
    )


def watched(target, version, atomics):
    """`m5 gc` sees every collection that gc.callbacks sees, or polls where a watch would hang the target."""
    before = target.ask()
    code, value, said = m5("gc", "-p", target.pid, "-d", f"{SECONDS}s", "--max-overhead", "100%")
    after = target.ask()
    if value is None:
        check(f"{target.name}: gc", False, f"{code} {said}")
        return
    endless = not atomics and version not in ("3.8", "3.9", "3.10", "3.11", "3.12")
    source, because = value["source"], value["choice"].get("obstacle", {}).get("kind")
    wanted = ("poll", "exclusive_pairs") if endless else ("watchpoint", None)
    check(f"{target.name}: gc by {wanted[0]}", (source, because) == wanted, f"{source} {because} {said}")
    happened = value["gc"]["happened"]
    inside = [b - a for a, b in zip(before["stats"], after["stats"])]
    check(f"{target.name}: gc counts", 0 < happened <= sum(inside), f"{happened} of {sum(inside)}")
    if endless:
        return
    seen = value["gc"]["seen"]
    check(
        f"{target.name}: gc sees them all",
        seen >= happened - 2,
        f"{seen} of {happened}, lost {value['gc']['lost']}",
    )
    told = sorted((stop - start) / 1e9 for start, stop, _ in after["collections"] if stop)
    ours = sorted(value["pauses"]["duration_seconds"])
    middle = [a[len(a) // 2] if a else None for a in (told, ours)]
    near = bool(ours) and middle[0] / 4 <= middle[1] <= middle[0] * 4 + 2e-3
    check(f"{target.name}: gc pauses", near, f"median {middle[1]}, by gc.callbacks {middle[0]}")


def tuned(target):
    """Thresholds are set and put back."""
    code, _, said = m5("gc", "-p", target.pid, "--set", "50000,20,100")
    undone, _, words = m5("gc", "-p", target.pid, "--undo")
    check(f"{target.name}: set and undo", (code, undone) == (0, 0), f"{code} {said} {undone} {words}")


def shot(target, method):
    """A snapshot by one method accounts for the memory."""
    file = f"/tmp/{target.name}-{method}.m5snap"
    code, value, said = m5(
        "snapshot", "-p", target.pid, "--method", method, "--max-pause", "20s", "--save", file
    )
    if value is None:
        check(f"{target.name}: snapshot by {method}", False, f"{code} {said}")
        return file
    info = value["info"]
    coverage, objects = info["coverage"], value["heap"]["objects"]
    good = code == 0 and method in json.dumps(info["method"]).lower() and objects > 40000
    check(f"{target.name}: snapshot by {method}", good, f"{code} {info['method']} objects {objects} {said}")
    whole = coverage["reachable"] >= 0.99 and coverage["rss_explained"] >= 0.99
    consistent = method == "live" or coverage["inconsistencies"] == 0
    check(f"{target.name}: coverage by {method}", whole and consistent, str(coverage))
    return file


def killed(target, runs):
    """m5 ends at random moments; the target must not notice."""
    chance = random.Random(int(os.environ.get("M5_SEED", "24")))
    began = time.monotonic()
    shot(target, "fork")
    longest = time.monotonic() - began
    for i in range(runs):
        method = ("fork", "freeze")[i % 2]
        run = subprocess.Popen(
            [M5, "snapshot", "-p", str(target.pid), "--method", method, "--max-pause", "20s"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.random() * longest)
        run.kill()
        run.wait()
    deadline = time.monotonic() + 30
    while target.state() & set("tT") and time.monotonic() < deadline:
        time.sleep(0.1)
    check(f"{target.name}: runs after {runs} kills", not target.state() & set("tT"), str(target.state()))
    check(f"{target.name}: every thread goes on", target.goes_on(), str(target.ask()["turns"]))
    shot(target, "fork")
    left = []
    for child in target.children():
        with open(f"/proc/{child}/stat") as stat, open(f"/proc/{child}/oom_score_adj") as score:
            left.append(f"{stat.read().strip()} score {score.read().strip()}")
    check(f"{target.name}: no copy is left", not left, str(left))


def in_the_kernel(target):
    """Programs in the kernel: tried, told, and no harm."""
    for command in ("stalls", "alloc"):
        code, value, said = m5(command, "-p", target.pid, "-d", "4s")
        check(f"{target.name}: {command}", code in (0, 1, 4, 5, 6), f"{code} {str(value)[:200]} {said}")


def main():
    """Each interpreter of the guest in turn."""
    with open("/proc/cpuinfo") as info:
        atomics = " atomics" in info.read()
    kernel, page = os.uname().release, os.sysconf("SC_PAGESIZE")
    say(f"kernel {kernel}, pages of {page}, swaps by {'single instructions' if atomics else 'pairs'}")
    runs = int(os.environ.get("M5_KILLS", "8"))
    for python in sys.argv[1:]:
        version = python.rsplit("python", 1)[1]
        target = Target(python)
        listed(target, version)
        watched(target, version, atomics)
        tuned(target)
        shot(target, "freeze")
        one, two = shot(target, "live"), shot(target, "fork")
        code, value, said = m5("diff", one, two)
        check(f"{target.name}: diff", code in (0, 1, 6) and value is not None, f"{code} {said}")
        code, value, said = m5("health", "-p", target.pid)
        check(f"{target.name}: health", code in (0, 1, 6) and value is not None, f"{code} {said}")
        if python == sys.argv[1]:
            in_the_kernel(target)
        killed(target, runs)
        target.end()
    say(f"{len(FAULTS)} faults: {FAULTS}")
    return bool(FAULTS)


if __name__ == "__main__":
    sys.exit(main())
