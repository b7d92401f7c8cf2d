"""What m5 says of a process, against what the process says of itself."""

import json

from common import Target, check, hardware, m5, say

SECONDS = 5


def listed(python, target):
    """`m5 list` names it and its version."""
    code, value, said = m5("list")
    mine = [p for p in (value or {}).get("processes", []) if p["pid"] == target.pid]
    good = code == 0 and mine and mine[0]["python"].startswith(python.version)
    check(f"{target.name}: list", good, mine[0]["python"] if mine else f"{code} {said}")


def watched(python, target):
    """`m5 gc` sees every collection that gc.callbacks sees, or polls where a watch would hang the target."""
    before = target.ask()
    code, value, said = m5("gc", "-p", target.pid, "-d", f"{SECONDS}s", "--max-overhead", "100%")
    after = target.ask()
    if value is None:
        check(f"{target.name}: gc", False, f"{code} {said}")
        return
    # Builds for musl may swap by pairs on any processor.
    endless = python.minor >= 13 and (not hardware("atomics") or (value["source"] == "poll" and python.musl))
    source, because = value["source"], value["choice"].get("obstacle", {}).get("kind")
    good = source == "ring" or (
        (source == "poll" and because == "exclusive_pairs") if endless else source == "watchpoint"
    )
    check(f"{target.name}: gc by {source}", good, f"{because or ''} {said}")
    happened = value["gc"]["happened"]
    inside = sum(after["stats"]) - sum(before["stats"])
    # Builds without the GIL collect seldom.
    check(
        f"{target.name}: gc counts",
        int(not python.free_threaded) <= happened <= inside,
        f"{happened} of {inside}",
    )
    if source == "poll" or happened == 0:
        return
    seen = value["gc"]["seen"]
    check(f"{target.name}: gc sees them all", seen >= happened - 2, f"{seen}, lost {value['gc']['lost']}")
    told = sorted((stop - start) / 1e9 for start, stop, _ in after["collections"] if stop)
    ours = sorted(value["pauses"]["duration_seconds"])
    middle = [a[len(a) // 2] if a else None for a in (told, ours)]
    near = bool(ours) and middle[0] / 4 <= middle[1] <= middle[0] * 4 + 2e-3
    check(f"{target.name}: gc pauses", near, f"median {middle[1]}, by gc.callbacks {middle[0]}")


def tuned(_, target):
    """Thresholds are set and put back."""
    code, _, said = m5("gc", "-p", target.pid, "--set", "50000,20,100")
    undone, _, words = m5("gc", "-p", target.pid, "--undo")
    check(
        f"{target.name}: set and undo",
        (code, undone) == (0, 0),
        "" if code + undone == 0 else f"{said} {words}",
    )


def shot(target, method, still=None):
    """A snapshot by one method, and the file of it; held against all objects of a target that keeps still."""
    # Musl's allocator is not known: one thing in its memory may look like an object.
    known = int("-musl" in target.name)
    file = f"/tmp/{target.pid}-{method}.m5snap"
    code, value, said = m5(
        "snapshot", "-p", target.pid, "--method", method, "--max-pause", "20s", "--top", 5000, "--save", file
    )
    if value is None:
        check(f"{target.name}: snapshot by {method}", False, f"{code} {said}")
        return file
    info = value["info"]
    coverage, objects = info["coverage"], value["heap"]["objects"]
    by_it = method in json.dumps(info["method"]).lower()
    check(f"{target.name}: snapshot by {method}", code == 0 and by_it, f"{code} {objects} objects")
    # What waits for the collector is reached from nowhere, and said so.
    reached = coverage["reachable"] + value["heap"]["garbage"]["objects"] / objects
    whole = reached >= 0.995 and coverage["rss_explained"] >= 0.98
    consistent = method == "live" or coverage["inconsistencies"] <= known
    check(
        f"{target.name}: coverage by {method}",
        whole and consistent,
        f"{reached:.4f} reached or garbage, {coverage}",
    )
    if not whole:
        say(str([(part["name"], part["bytes"]) for part in value["memory"]["children"]]))
    if still:
        ours = {t["type_name"]: t["count"] for t in value["heap"]["types"]}
        every = sum(still.values())
        found = sum(min(n, ours.get(name, 0)) for name, n in still.items())
        less = {k: (n, ours.get(k, 0)) for k, n in still.items() if ours.get(k, 0) < n}
        known = ours.get("__main__.Known")
        check(
            f"{target.name}: truth by {method}",
            found >= 0.999 * every and known == 3000,
            f"{found} of {every} {less}",
        )
    return file


def captured(_, target):
    """By every method against the truth of a target that keeps still, and while it goes on."""
    still = target.ask("still")["objects"]
    one = shot(target, "freeze", still)
    shot(target, "live", still)
    shot(target, "fork", still)
    target.ask("on")
    two = shot(target, "fork")
    code, value, said = m5("diff", one, two)
    check(f"{target.name}: diff", code in (0, 1, 6) and value is not None, f"{code} {said}")


JEMALLOC = "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"
MIB = 1 << 20


def under_jemalloc(python):
    """jemalloc's books, of the size of page that it was built for, against what it says itself."""
    environment = {"PYTHONMALLOC": "malloc", "LD_PRELOAD": JEMALLOC}
    target = Target(python, "mallocs.py", environment=environment)
    truth = target.ask()
    code, value, said = m5(
        "snapshot", "-p", target.pid, "--method", "freeze", "--max-pause", "20s", "--top", 5000
    )
    if not check(f"{target.name}: snapshot under jemalloc", code == 0, f"{code} {said}"):
        return
    counts = {t["type_name"]: t["count"] for t in value["heap"]["types"]}
    check(f"{target.name}: orders", counts.get("__main__.Order") == truth["orders"], str(truth))
    parts = {part["name"]: part for part in value["memory"]["children"]}
    native = {part["name"]: part["bytes"] for part in parts["native_heap"]["children"]}
    used = sum(parts[name]["bytes"] for name in ("python_objects", "python_buffers"))
    used += native.get("native_blocks", 0)
    near = abs(used - truth["allocated"]) < truth["allocated"] / 20 + MIB
    seen = f"{used} of {truth['allocated']} in use, {native}, coverage {value['info']['coverage']}"
    check(f"{target.name}: jemalloc's blocks, pages of {truth['page']}", near, seen)
    check(f"{target.name}: what is free", native.get("native_free", 0) > 16 * MIB, "")
    target.end()


def told(_, target):
    """What else is said of it."""
    for command, *words in (("health",), ("why", "-d", "3s"), ("baseline", "-d", "3s")):
        code, value, said = m5(command, "-p", target.pid, *words)
        check(f"{target.name}: {command}", code in (0, 1, 6) and value is not None, f"{code} {said[-80:]}")
    code, value, said = m5("dump", "-p", target.pid)
    threads = (value or {}).get("threads", [])
    functions = {frame["function"] for thread in threads for frame in thread["stack"]}
    named = any(name.endswith("run") for name in functions)
    check(f"{target.name}: dump", code == 0 and named, f"{code} {len(threads)} threads {said}")


def in_the_kernel(python, target):
    """Programs in the kernel: which loops, which lines."""
    code, value, said = m5("stalls", "-p", target.pid, "-d", "2s")
    check(f"{target.name}: stalls without a loop", code == 6 and value is not None, f"{code} {said}")
    loop = Target(python, "turns.py")
    code, value, said = m5("stalls", "-p", loop.pid, "-d", "6s")
    named = "hold_up" in json.dumps(value)
    check(f"{loop.name}: stalls", code in (0, 1) and value["lost"] == 0 and named, f"{code} {said}")
    loop.end()
    code, value, said = m5("alloc", "-p", target.pid, "-d", "4s")
    text = json.dumps(value)
    check(f"{target.name}: alloc", code == 0 and "target.py" in text, f"{code} {said} {text[:160]}")
    say(f"     {target.name}: alloc saw {(value or {}).get('samples')} samples")
