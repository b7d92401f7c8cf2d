"""Alarm on the version that leaks, none on the one that was mended: `python tests/leaks/run.py target/debug/m5`.

Packages are installed below `.venv/leaks` (kept for the next time). Without M5_SLOW=1 only the cases of the standard
library run, which need no download.
"""

import os
import subprocess
import sys

from home import HERE, environment

# case, requirement, whether it leaks, iterations in a chunk
STANDARD = [("loggers", None, True, 50), ("bounded_cache", None, False, 50)]
SLOW = [
    ("structlog", "structlog==25.5.0", True, 50),
    ("structlog", "structlog==26.1.0", False, 50),
    ("requests", "requests==2.32.3", True, 50),
    ("orjson", "orjson==3.8.12", True, 200),
    ("orjson", "orjson==3.9.1", False, 200),
    ("cbor2", "cbor2==5.8.0", True, 20),
    ("cbor2", "cbor2==5.9.0", False, 20),
    ("aiohttp", "aiohttp==3.10.10", True, 50),
    ("aiohttp", "aiohttp==3.10.11", False, 50),
    ("prometheus_client", "prometheus_client==0.26.0", True, 50),
    ("botocore", "botocore==1.29.100", False, 30),
]


def main():
    m5 = os.path.abspath(sys.argv[1])
    wrong = 0
    cases = STANDARD + (SLOW if os.environ.get("M5_SLOW") == "1" else [])
    for name, requirement, leaks, iterations in cases:
        title = requirement or name
        variables = environment(sys.executable, requirement)
        if variables is None:
            print("skipped  %s: no wheel for this Python" % title)
            continue
        command = [
            m5,
            "leaks",
            "-n",
            str(iterations),
            "--call",
            "cases:%s" % name,
            "--json",
            "--",
            sys.executable,
        ]
        done = subprocess.run(command, cwd=HERE, env=variables, capture_output=True, text=True, timeout=600)
        expected = 1 if leaks else 0
        right = done.returncode == expected
        wrong += not right
        kept = [line.strip() for line in done.stdout.splitlines() if 'per_iteration": ' in line][1:3]
        print(
            "%-8s %s: exit %d, expected %d; %s"
            % ("ok" if right else "WRONG", title, done.returncode, expected, " ".join(kept))
        )
        if not right:
            print(done.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
