"""What the suites share: results, targets, and how m5 is called.

Everything is emulated, dozens of times slower than a machine: nothing here is a timing.
"""

import json
import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
M5 = os.environ.get("M5", f"{HERE}/m5")
FAULTS = []
PATIENCE = 120
"""Seconds that anything may take to get on."""


def say(text):
    """A line with the time since the guest's start."""
    print(f"[{time.monotonic():6.1f}] {text}", flush=True)


def check(what, good, seen=""):
    """Notes one result."""
    say(f"{'ok  ' if good else 'FAIL'} {what} {seen}")
    if not good:
        FAULTS.append(what)
    return good


def hardware(word):
    """Whether the processor says that it has this."""
    with open("/proc/cpuinfo") as info:
        return f" {word}" in info.read()


def until(true):
    """Whether it becomes true within our patience."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


class Interpreter:
    """One of the guest's: NAME=[ROOT:]PROGRAM."""

    def __init__(self, text):
        self.name, where = text.split("=", 1)
        root, self.program = where.split(":") if ":" in where else ("", where)
        self.before = ["chroot", root] if root else []
        self.version = self.name.split("-")[0].rstrip("t")
        self.minor = int(self.version.split(".")[1])
        self.free_threaded = self.name.endswith("t")
        self.musl = self.name.endswith("-musl")

    def command(self, *words):
        """What starts it."""
        return [*self.before, self.program, *words]


class Target:
    """A program under test, on one interpreter."""

    def __init__(self, interpreter, program="target.py", *words, environment=None):
        self.name = f"{interpreter.name}: {program.split('.')[0]}"
        self.process = subprocess.Popen(
            interpreter.command(f"{HERE}/{program}", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        line = self.process.stdout.readline()
        assert line == "ready\n", f"{self.name} said {line!r}"
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
            except OSError:
                pass
        return letters

    def children(self):
        """Its children, dead ones too."""
        found = []
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/children") as children:
                found += children.read().split()
        return found

    def stands(self):
        """Whether it stays stopped."""
        return not until(lambda: not self.state() & set("tT"))

    def goes_on(self):
        """Whether every thread gets on."""
        before = self.ask()["turns"]
        return until(lambda: all(n > before.get(name, 0) for name, n in self.ask()["turns"].items()))

    def end(self):
        """What went wrong in it."""
        answer = self.ask()
        self.process.stdin.close()
        code = self.process.wait()
        wrong = answer["wrong"]
        return check(
            f"{self.name} saw nothing", not wrong and code == 0, f"{code} {wrong[:4]} of {len(wrong)}"
        )


def m5(*arguments):
    """Runs m5; its exit code, its JSON and its last words."""
    done = subprocess.run([M5, *map(str, arguments), "--json"], capture_output=True, text=True, check=False)
    try:
        value = json.loads(done.stdout)
    except ValueError:
        value = None
    return done.returncode, value, done.stderr.strip().replace("\n", " | ")[-300:]
