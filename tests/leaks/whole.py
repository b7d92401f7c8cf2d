"""All cases by `m5 diff`, `m5 why` and `m5 leaks`: `python tests/leaks/whole.py target/release/m5 RESULTS [GROUP…]`.

Each outcome is a line of the file RESULTS; what stands there is not run again, so a run that was stopped goes on where it
was. `--again WRONG` runs those cases again that were wrong. `--markdown` runs nothing and prints the table of the docs.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import commands
import judge
from home import interpreter

COMMANDS = ("diff", "why", "leaks")
HEAD = (
    "| group | cases | right by `diff` | `why` | `leaks` | of the growth of RSS |\n|---|---|---|---|---|---|"
)


def key(command, case):
    """What a line of the results is known by."""
    return " ".join([command, case.name, case.requirement or "-", case.python or "-"])


def title(case):
    """The case in words."""
    return case.name + (" (%s)" % case.requirement if case.requirement else "")


def outcome(m5, command, case):
    """Verdict and words of one command on one case."""
    if command == "diff":
        verdict, columns = judge.outcome(m5, case, interpreter(case.python))
        return verdict, list(columns)
    _, verdict, words = commands.outcome(m5, command, case, None)
    return verdict, [words]


def known(results):
    """The last outcome of each case in the file."""
    lines = results.read_text().splitlines() if results.exists() else []
    return {line["key"]: line for line in map(json.loads, lines)}


def run(m5, results, work, together):
    """Runs the work, and writes each outcome down as it comes."""
    with ThreadPoolExecutor(together) as pool, results.open("a") as out:
        running = {pool.submit(outcome, m5, command, case): (command, case) for command, case in work}
        for number, done in enumerate(as_completed(running), 1):
            command, case = running[done]
            verdict, words = done.result()
            line = {"key": key(command, case), "verdict": verdict, "words": words}
            out.write(json.dumps(line) + "\n")
            out.flush()
            if verdict != "right":
                print("%-8s %-6s %-40s %s" % (verdict, command, title(case), words), flush=True)
            if number % 50 == 0:
                print("%d of %d" % (number, len(work)), flush=True)


def explained(lines):
    """The median and the least share of the growth of RSS that is explained, of those that leak."""
    told = [line["words"] for line in lines if line["verdict"] == "right" and line["words"][0] != "nobody"]
    shares = sorted(int(words[-1].split()[0]) for words in told if words[-1])
    return "%d, %d %%" % (shares[len(shares) // 2], shares[0]) if shares else ""


def table(groups, found):
    """Lines of the table of the docs: how many are right by group, and each that is not."""
    print(HEAD)
    wrong = []
    for name in groups:
        cells = [name, str(len(judge.GROUPS[name]))]
        for command in COMMANDS:
            lines = [(case, found.get(key(command, case))) for case in judge.GROUPS[name]]
            seen = [(case, line) for case, line in lines if line and line["verdict"] != "skipped"]
            wrong += [(command, case, line) for case, line in seen if line["verdict"] != "right"]
            right = sum(line["verdict"] == "right" for _, line in seen)
            cells.append("%d of %d" % (right, len(seen)) if seen else "")
        lines = [line for case in judge.GROUPS[name] if (line := found.get(key("diff", case)))]
        print("| %s | %s |" % (" | ".join(cells), explained(lines)))
    for command, case, line in wrong:
        words = [word.replace("<", "\\<") for word in line["words"] if word]  # no tag of HTML
        print("\n- `%s`, %s: %s" % (title(case), command, ", ".join(words)))


def summary(groups, found):
    """How many are right, by group and command; whether all are."""
    wrong = 0
    for name in groups:
        cells = []
        for command in COMMANDS:
            verdicts = [
                found[k]["verdict"] for case in judge.GROUPS[name] if (k := key(command, case)) in found
            ]
            seen = [v for v in verdicts if v != "skipped"]
            wrong += len(seen) - seen.count("right")
            cells.append("%s %d of %d" % (command, seen.count("right"), len(seen)))
        print("%-11s %s" % (name, ", ".join(cells)))
    return wrong == 0


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("m5")
    asked.add_argument("results", type=Path)
    asked.add_argument("groups", nargs="*", metavar="GROUP", help="all, if none")
    asked.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    asked.add_argument("--again", nargs="+", default=[], help="verdicts to run again: WRONG, skipped, right")
    asked.add_argument("--together", type=int, default=3, help="services that run at a time")
    asked.add_argument("--markdown", action="store_true", help="print the table of the docs and run nothing")
    options = asked.parse_args()
    groups = options.groups or list(judge.GROUPS)
    found = known(options.results)
    if options.markdown:
        table(groups, found)
        return 0
    done = {k for k, line in found.items() if line["verdict"] not in options.again}
    every = [
        (command, case) for command in options.commands for name in groups for case in judge.GROUPS[name]
    ]
    work = [(command, case) for command, case in every if key(command, case) not in done]
    run(os.path.abspath(options.m5), options.results, work, options.together)
    return 0 if summary(groups, known(options.results)) else 1


if __name__ == "__main__":
    sys.exit(main())
