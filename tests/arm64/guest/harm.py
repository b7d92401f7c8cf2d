"""Nothing that m5 does, or leaves half done, may be noticed."""

import os
import random
import subprocess
import time

from common import M5, Target, check, m5
from reads import shot


def kills(default):
    """How often m5 is killed."""
    return int(os.environ.get("M5_KILLS") or default)


def killed(python, target, runs):
    """m5 ends at random moments; the target must not notice."""
    chance = random.Random(int(os.environ.get("M5_SEED", "24")))
    began = time.monotonic()
    shot_quietly(target, "fork")
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
    check(f"{target.name}: runs after {runs} kills", not target.stands(), str(target.state()))
    check(f"{target.name}: every thread goes on", target.goes_on())
    shot(target, "fork")
    left = []
    for child in target.children():
        try:
            with open(f"/proc/{child}/stat") as stat, open(f"/proc/{child}/oom_score_adj") as score:
                if " (m5" in (line := stat.read()) or score.read().strip() == "1000":
                    left.append(line.strip())
        except OSError:
            pass
    check(f"{target.name}: no copy is left", not left, str(left))


def broken_off(python, rounds):
    """A process that waits in every call there is, under captures and kills."""
    target = Target(python, "waits.py")
    for _ in range(rounds):
        shot_quietly(target, "fork")
        shot_quietly(target, "freeze")
    killed(python, target, kills(4))
    target.end()


def shot_quietly(target, method):
    """A capture of which only the harm counts."""
    code, _, said = m5("snapshot", "-p", target.pid, "--method", method, "--max-pause", "20s")
    if code:
        check(f"{target.name}: {method}", False, f"{code} {said}")


def trimmed(python, threads):
    """Free memory goes back, what is used stays; with another C library it is refused."""
    # Else the kernel fills the holes of huge pages again, within seconds; the C library asks for such pages on Arm.
    with open("/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "w") as file:
        file.write("0")
    target = Target(python, "frees.py", *(["threads"] if threads else []))
    name = f"{target.name}{' with threads' if threads else ''}: trim"
    code, value, said = m5("trim", "-p", target.pid, "--min", "0", "--recheck", "0", "--max-pause", "1s")
    if python.musl:
        check(f"{name} is refused", code == 5, f"{code} {said}")
    else:
        given = (value or {}).get("given_bytes", 0)
        fell = value["rss_before_bytes"] - value["rss_after_bytes"] if value else 0
        enough = given > 20 << 20 and fell > 20 << 20
        check(name, code == 0 and enough, f"{code} gave {given}, RSS fell by {fell} {said}")
    for _ in range(kills(4) if threads else 2):
        run = subprocess.Popen(
            [M5, "trim", "-p", str(target.pid), "--min", "0", "--recheck", "0", "--max-pause", "1s"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.random() * 3)
        run.kill()
        run.wait()
    check(f"{name}: runs after kills", not target.stands() and target.goes_on(), str(target.state()))
    target.end()


def hung(python, minutes):
    """Under a watch and captures, for as long as that, every thread gets on."""
    target = Target(python)
    end = time.monotonic() + 60 * minutes
    rounds, sources = 0, set()
    while time.monotonic() < end:
        code, value, said = m5("gc", "-p", target.pid, "-d", "20s", "--max-overhead", "100%")
        sources.add((value or {}).get("source"))
        if not check(
            f"{target.name}: gc, round {rounds}", code in (0, 1) and target.goes_on(), f"{code} {said[-120:]}"
        ):
            break
        rounds += 1
    check(
        f"{target.name}: not hung in {minutes} minutes",
        rounds > 0 and not target.stands(),
        f"{rounds} {sources}",
    )
    target.end()
