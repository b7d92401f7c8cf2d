"""Who is accused, and is it right: each case as a service, seen by two snapshots and `m5 diff`.

`python tests/leaks/judge.py target/release/m5` runs the cases of the standard library, and with M5_SLOW=1 all public
packages too. `python tests/leaks/judge.py target/release/m5 NAME…` runs those cases, or groups: STANDARD, PACKAGES, FOUND,
REGISTRIES, LIBRARIES, SERVICES, UNSEEN, MISTAKES, REPORTS, ISSUES. `--python 3.8` takes that interpreter where a case wants none.
`whole.py` runs all of them by every command and prints the table of the docs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from expected import FOUND, PACKAGES, STANDARD
from held_out import LIBRARIES, REGISTRIES, SERVICES
from home import HERE, environment, interpreter
from issues import ISSUES
from mistaken import MISTAKES
from reports import REPORTS
from unseen import UNSEEN


def diff(m5, case, python, variables):
    """The document of `m5 diff` over one more chunk of iterations, after as many that warm up."""
    command = [python, "drive.py", case.module, case.name]
    service = subprocess.Popen(
        command,
        cwd=HERE,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def expect(word):
        line = service.stdout.readline().strip()
        if line != word:
            raise RuntimeError("the service said %r" % line)

    def iterate():
        service.stdin.write("%d\n" % case.iterations)
        service.stdin.flush()
        expect("done")

    try:
        expect("ready")
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, "%d.m5snap" % i) for i in range(2)]
            iterate()
            for file in files:
                iterate()
                take = [m5, "snapshot", "-p", str(service.pid), "--save", file]
                subprocess.run(take, check=True, capture_output=True, timeout=300)
            compare = [m5, "diff", *files, "--json"]
            done = subprocess.run(compare, check=True, capture_output=True, text=True, timeout=300)
            return json.loads(done.stdout)["diff"]
    finally:
        service.kill()
        service.wait()


def layer(culprit):
    """The layer that a culprit's growth is in."""
    causes = {
        "uncollectable": "never freed",
        "no_referrer": "lost",
        "garbage": "garbage",
        "native": "held natively",
    }
    if culprit["holder"]["cause"] in causes:
        return causes[culprit["holder"]["cause"]]
    if culprit["in_place_bytes"] * 2 > culprit["bytes"] and culprit["native_bytes"] * 2 <= culprit["bytes"]:
        return "in place"
    return "native" if culprit["native_bytes"] * 2 > culprit["bytes"] else "objects"


def bounded(holder):
    """Whether a limit ends the growth of a holder soon: one that is far off ends nothing."""
    return holder.get("limit") is not None and (holder["items"] or 0) * 100 >= holder["limit"]


def accused(document):
    """All that is accused, the worst first: (layer, what grows, who holds it, bytes)."""
    told = []
    for culprit in document["culprits"]:
        holder = culprit["holder"]
        if not bounded(holder) and holder["cause"] != "garbage":
            who = "%s (%s)" % (holder["name"], holder["type_name"])
            path = "" if holder["path"] in ("", holder["name"]) else " in " + holder["path"]
            told.append((layer(culprit), culprit["type_name"], who + path, culprit["bytes"]))
    blocks = [b for b in (document["account"] or {}).get("blocks", []) if not b["objects"]]
    for block in blocks:
        line = (
            "blocks",
            "%d–%d bytes" % (block["least"], block["most"]),
            block["owner"] or "",
            block["bytes"],
        )
        place = next((i for i, other in enumerate(told) if other[3] < block["bytes"]), len(told))
        told.insert(place, line)
    return told


def right(case, told):
    """Whether the first to be accused is the one, or nobody is where nobody should be."""
    if case.layer is None:
        return not told
    if not told:
        return False
    where, what, who, _ = told[0]
    return (
        where in case.layer.split("|")
        and bool(re.search(case.grows, what))
        and bool(re.search(case.held, who))
    )


def explained(document, told):
    """Share of the growth of RSS that the accused explain; None where RSS did not grow."""
    grown = (document["account"] or {}).get("rss_bytes", 0)
    return min(1.0, sum(line[3] for line in told) / grown) if grown > 0 else None


def outcome(m5, case, python):
    """The verdict on a case, and the columns of its row."""
    variables = python and environment(python, case.requirement)
    if not variables:
        return "skipped", ("no such interpreter or no wheel", "", "", "", "")
    try:
        document = diff(m5, case, python, variables)
    except (RuntimeError, subprocess.SubprocessError) as error:
        return "WRONG", (str(error), str(getattr(error, "stderr", "")), "", "", "")
    told = accused(document)
    share = explained(document, told)
    share = "" if share is None else "%.0f %%" % (100 * share)
    first = (*told[0][:3], "%d KiB" % (told[0][3] >> 10)) if told else ("nobody", "", "", "")
    return "right" if right(case, told) else "WRONG", (*first, share)


GROUPS = {
    "STANDARD": STANDARD,
    "REGISTRIES": REGISTRIES,
    "PACKAGES": PACKAGES,
    "FOUND": FOUND,
    "LIBRARIES": LIBRARIES,
    "SERVICES": SERVICES,
    "UNSEEN": UNSEEN,
    "MISTAKES": MISTAKES,
    "REPORTS": REPORTS,
    "ISSUES": ISSUES,
}


def chosen(names):
    """The cases that are asked for by name or group, or all that run by default."""
    every = [case for group in GROUPS.values() for case in group]
    if names:
        groups = [case for name in names for case in GROUPS.get(name, [])]
        return groups + [case for case in every if case.name in names]
    plain = [case._replace(python=None) for case in SERVICES if case.requirement is None]
    return every if os.environ.get("M5_SLOW") == "1" else STANDARD + REGISTRIES + plain


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("m5")
    asked.add_argument("names", nargs="*")
    asked.add_argument("--python", help="interpreter of the cases that want none, 3.8 say")
    asked.add_argument("--together", type=int, default=2, help="services that run at a time")
    options = asked.parse_args()
    m5 = os.path.abspath(options.m5)
    counts = {"right": 0, "WRONG": 0, "skipped": 0}

    def one(case):
        return case, outcome(m5, case, interpreter(case.python or options.python))

    with ThreadPoolExecutor(options.together) as pool:
        for case, (verdict, columns) in pool.map(one, chosen(options.names)):
            counts[verdict] += 1
            title = case.name + (" " + case.requirement if case.requirement else "")
            layer, grows, held, size, share = columns
            print(
                "%-8s %-50s %s: %s <- %s, %s, %s of the growth of RSS"
                % (verdict, title, layer, grows, held, size, share),
                flush=True,
            )
    print(", ".join("%d %s" % (count, word) for word, count in counts.items()))
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
