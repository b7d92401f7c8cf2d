"""Who is accused, and is it right: each case as a service, seen by two snapshots and `m5 diff`.

`python tests/leaks/judge.py target/release/m5` runs the cases of the standard library, and with M5_SLOW=1 all public
packages too. `python tests/leaks/judge.py target/release/m5 NAME…` runs those cases.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from catalogue import FOUND, PACKAGES, STANDARD
from home import HERE, environment, interpreter


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


def accused(document):
    """All that is accused, the worst first: (layer, what grows, who holds it, bytes)."""
    told = []
    for culprit in document["culprits"]:
        holder = culprit["holder"]
        if holder.get("limit") is None and holder["cause"] != "garbage":
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


def main():
    m5 = os.path.abspath(sys.argv[1])
    cases = STANDARD + (PACKAGES + FOUND if os.environ.get("M5_SLOW") == "1" else [])
    if len(sys.argv) > 2:
        cases = [case for case in STANDARD + PACKAGES + FOUND if case.name in sys.argv[2:]]
    counts = {"right": 0, "WRONG": 0, "skipped": 0}
    for case in cases:
        title = case.name + (" " + case.requirement if case.requirement else "")
        python = interpreter(case.python)
        variables = python and environment(python, case.requirement)
        if not variables:
            counts["skipped"] += 1
            print("skipped  %-50s no such interpreter or no wheel" % title, flush=True)
            continue
        try:
            document = diff(m5, case, python, variables)
        except (RuntimeError, subprocess.SubprocessError) as error:
            counts["WRONG"] += 1
            print("WRONG    %-50s %s %s" % (title, error, getattr(error, "stderr", "")), flush=True)
            continue
        told = accused(document)
        verdict = "right" if right(case, told) else "WRONG"
        counts[verdict] += 1
        share = explained(document, told)
        first = "%s: %s <- %s, %d KiB" % (*told[0][:3], told[0][3] >> 10) if told else "nobody"
        share = "" if share is None else ", %.0f %% of the growth of RSS" % (100 * share)
        print("%-8s %-50s %s%s" % (verdict, title, first, share), flush=True)
    print(", ".join("%d %s" % (count, word) for word, count in counts.items()))
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
