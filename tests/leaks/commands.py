"""What `m5 why` or `m5 leaks` says of each case: `python tests/leaks/commands.py target/release/m5 why NAME…`.

Names are those of `judge.py`, cases or groups. The first growth that is told must be the one of the case; of what is mended
or has a limit no growth may be told as a problem.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from home import HERE, environment, interpreter
from judge import accused, chosen

# How long it is looked at, and the iterations of a case are spread over less.
SECONDS, SPREAD = 10, 8.0
GROWTH = ("grows", "native_grows", "part_grows", "never_freed", "rss_grows")


def looked(m5, case, python, variables):
    """The document of `m5 why` of the case at a steady rate."""
    rate = case.iterations / SPREAD
    command = [python, "paced.py", case.module, case.name, str(rate), str(case.iterations)]
    service = subprocess.Popen(
        command, cwd=HERE, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        word = service.stdout.readline().strip()
        if word != "ready":
            raise RuntimeError("the service said %r" % word)
        why = [m5, "why", "-p", str(service.pid), "--duration", "%ds" % SECONDS, "--json"]
        done = subprocess.run(why, capture_output=True, text=True, timeout=300)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)
    finally:
        service.kill()
        service.wait()


def growth(document):
    """What is told to grow, the worst first: (severity, layer, what grows, who holds it)."""
    told = []
    for finding in document["findings"]:
        severity, kind = finding["severity"], finding["kind"]
        if kind == "grows":
            lines = accused({"culprits": [finding["culprit"]], "account": None})
            told += [(severity, *line[:3]) for line in lines]
        elif kind == "native_grows":
            block = finding["block"]
            told.append(
                (severity, "blocks", "%d-%d bytes" % (block["least"], block["most"]), block["owner"] or "")
            )
        elif kind == "never_freed":
            told.append(
                (severity, "never freed", ", ".join(finding["through"]), ", ".join(finding["through"]))
            )
        elif kind in GROWTH:
            told.append((severity, "mapped", finding.get("part", "RSS"), ""))
    return told


def iterated(m5, case, python, variables):
    """The document of `m5 leaks` of the case."""
    each = str(min(case.iterations, 50))
    call = "%s:%s" % (case.module, case.name)
    leaks = [m5, "leaks", "-n", each, "--processes", "1", "--call", call, "--json", "--", python]
    done = subprocess.run(leaks, cwd=HERE, env=variables, capture_output=True, text=True, timeout=400)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr or "exit code %d" % done.returncode)
    return json.loads(done.stdout)


def kept(document):
    """What an iteration keeps, where it leaks, in the same form."""
    if not document["leaking"]:
        return []
    if document.get("kept_unseen"):
        return [("problem", "?", document["kept_unseen"], "")]
    return [("problem", *line[:3]) for line in accused(document["kept"]["diff"])] or [
        ("problem", "?", "?", "")
    ]


def right(case, told):
    """Whether the first is the one; whether nothing is a problem where nothing should be."""
    if case.layer is None:
        return not [line for line in told if line[0] == "problem"]
    if not told:
        return False
    _, where, what, who = told[0]
    return (
        where in case.layer.split("|")
        and bool(re.search(case.grows, what))
        and bool(re.search(case.held, who))
    )


def outcome(m5, command, case, default):
    """Verdict and words on a case."""
    python = interpreter(case.python or default)
    variables = python and environment(python, case.requirement)
    if not variables:
        return case, "skipped", "no such interpreter or no wheel"
    try:
        if command == "why":
            told = growth(looked(m5, case, python, variables))
        else:
            told = kept(iterated(m5, case, python, variables))
    except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
        return case, "WRONG", str(error)
    words = "; ".join("%s %s: %s <- %s" % line for line in told) or "nothing grows"
    return case, "right" if right(case, told) else "WRONG", words


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("m5")
    asked.add_argument("command", choices=("why", "leaks"))
    asked.add_argument("names", nargs="+")
    asked.add_argument("--python", help="interpreter of the cases that want none, 3.8 say")
    asked.add_argument("--together", type=int, default=4, help="services that run at a time")
    options = asked.parse_args()
    m5 = os.path.abspath(options.m5)
    counts = {"right": 0, "WRONG": 0, "skipped": 0}
    with ThreadPoolExecutor(options.together) as pool:
        ask = partial(outcome, m5, options.command, default=options.python)
        for case, verdict, words in pool.map(ask, chosen(options.names)):
            counts[verdict] += 1
            print("%-8s %-40s %s" % (verdict, case.name, words), flush=True)
    print(", ".join("%d %s" % (count, word) for word, count in counts.items()))
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
