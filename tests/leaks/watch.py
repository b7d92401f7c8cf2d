"""Services watched from outside: growing where it leaks, not where it was mended, saturating where a cache fills.

`M5_SLOW=1 python tests/leaks/watch.py target/debug/m5`: eight minutes, all cases at once. Packages are those
of `run.py`.
"""

import json
import os
import subprocess
import sys

from home import HERE, environment

# case, requirement, iterations a second, verdicts that are right
CASES = [
    ("structlog", "structlog==25.5.0", 50, {"growing"}),
    ("structlog", "structlog==26.1.0", 50, {"flat", "step", "saturating"}),
    ("loggers", None, 50, {"growing"}),
    ("prometheus_client", "prometheus_client==0.26.0", 50, {"growing"}),
    ("botocore", "botocore==1.29.100", 0.5, {"saturating", "step", "flat"}),
    ("filling_cache", None, 10, {"saturating"}),
    ("idle", None, 50, {"flat", "step", "saturating"}),
]


def main():
    if os.environ.get("M5_SLOW") != "1":
        print("skipped: set M5_SLOW=1 (eight minutes)")
        return 0
    m5 = os.path.abspath(sys.argv[1])
    watched = []
    for name, requirement, rate, right in CASES:
        variables = environment(sys.executable, requirement)
        if variables is None:
            print("skipped  %s: no wheel for this Python" % requirement)
            continue
        command = [
            m5,
            "baseline",
            "--duration",
            "8m",
            "--pauses",
            "false",
            "--json",
            "--",
            sys.executable,
            "serve.py",
        ]
        watch = subprocess.Popen([*command, name, str(rate)], cwd=HERE, env=variables, stdout=subprocess.PIPE)
        watched.append((requirement or name, watch, right))
    wrong = 0
    for title, watch, right in watched:
        document = json.loads(watch.communicate(timeout=900)[0])
        anon = document["processes"][0]["derived"]["growth"]["anon"]
        ok = anon["verdict"] in right
        wrong += not ok
        print("%-8s %s: %s, %s bytes/s" % ("ok" if ok else "WRONG", title, anon["verdict"], anon["slope"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
