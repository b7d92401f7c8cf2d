"""Every Python test, as `scripts/run_rust_tests.py` runs Rust's: what failed beside others is tried once more, alone.

Files are shared out among a few processes, since many tests wait for something.

Exit codes: 0 all passed (perhaps at the second try), else pytest's own.
"""

from __future__ import annotations

import os
import subprocess
import sys

TESTS_FAILED = 1
MOST_AT_ONCE = 4


def pytest(*arguments: str) -> int:
    """Runs it with these."""
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], check=False).returncode


def main() -> int:
    """Runs all, then once more what failed."""
    at_once = min(os.cpu_count() or 1, MOST_AT_ONCE)
    code = pytest("--numprocesses", str(at_once), "--dist", "loadfile", *sys.argv[1:])
    if code != TESTS_FAILED:
        return code
    print("unsteady, or failed: the tests named above are tried once more, alone", flush=True)
    return pytest("--last-failed", "--last-failed-no-failures=none", *sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
