"""Control groups of the second version, with a limit near what the target needs: m5 inside the group and outside.

The target rewrites what it holds, so that every page that a copy shares is paid twice. It must never die, and never be
slowed for good; m5 may refuse, and is the first to die.
"""

import json
import os
import subprocess
import time

from common import M5, Target, check, m5

ROOT = "/sys/fs/cgroup"
SHARES = (1.1, 1.35, 1.7, 2.5)


def write(path, text):
    """Into a file of the kernel's."""
    with open(path, "w") as file:
        file.write(text)


def rss(pid):
    """Bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def killed_in(group):
    """How many the kernel has killed in a group."""
    with open(f"{group}/memory.events") as file:
        return dict(line.split() for line in file)["oom_kill"]


def within(group):
    """Makes what is started next begin in a group."""
    return lambda: write(f"{group}/cgroup.procs", str(os.getpid()))


def limited(python, kind, share, inside, together=False):
    """One target in one group, of which the kernel kills one process, or all together."""
    target = Target(python, "rewrites.py")
    name = f"{target.name}: {kind} {share}{', killed as one' if together else ''}, m5 {'inside' if inside else 'outside'}"
    group = f"{ROOT}/m5-test"
    os.mkdir(group)
    write(f"{group}/memory.oom.group", str(int(together)))
    write(f"{group}/cgroup.procs", str(target.pid))
    limit = int(rss(target.pid) * share)
    write(f"{group}/{kind}", str(limit))
    run = subprocess.run(
        [M5, "snapshot", "-p", str(target.pid), "--max-pause", "5s", "--json"],
        capture_output=True,
        text=True,
        preexec_fn=within(group) if inside else None,
    )
    method = json.loads(run.stdout)["info"]["method"] if run.returncode == 0 else run.stderr.strip()[-90:]
    # m5 may have been the kernel's choice, or its guard's where the whole machine was held up for longer than --max-pause
    # (an emulated one, on a busy machine); the target may not.
    held_up = "so that the target runs on" in run.stderr
    allowed = (0, 5, 6, -9) if inside or held_up else (0, 5, 6)
    alive = target.process.poll() is None and target.goes_on()
    check(name, alive and run.returncode in allowed, f"{run.returncode} {method}, killed {killed_in(group)}")
    if alive:
        target.end()
    else:
        target.process.kill()
        target.process.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.rmdir(group)
            return
        except OSError:
            time.sleep(0.2)


def limits(python, shares=SHARES):
    """Each kind of limit at each size."""
    write(f"{ROOT}/cgroup.subtree_control", "+memory")
    for kind in ("memory.max", "memory.high"):
        for share in shares:
            for inside in (False, True):
                limited(python, kind, share, inside)
    for share in shares:
        limited(python, "memory.max", share, inside=True, together=True)


def seen(python):
    """The limit around a process is what its reports are held against."""
    target = Target(python, "rewrites.py")
    group = f"{ROOT}/m5-seen"
    write(f"{ROOT}/cgroup.subtree_control", "+memory")
    os.mkdir(group)
    write(f"{group}/cgroup.procs", str(target.pid))
    write(f"{group}/memory.max", str(512 << 20))
    _, value, said = m5("snapshot", "-p", target.pid, "--process")
    group_seen = (value or {}).get("process", value or {}).get("cgroup") or {}
    good = (group_seen.get("version"), group_seen.get("max_bytes")) == (2, 512 << 20)
    check(f"{target.name}: the group's limit", good, f"{group_seen} {said}")
    target.end()
    time.sleep(0.5)
    os.rmdir(group)
