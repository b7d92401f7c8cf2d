"""Live tests in an arm64 guest: m5 against programs that check themselves. Ends with 0 where all is well.

live.py "SUITE..." NAME=[ROOT:]PROGRAM...: the suites on each interpreter, as tests/arm64.sh says.
"""

import os
import sys
import traceback

import groups
import harm
import reads
import wheel
from common import FAULTS, Interpreter, Target, check, hardware, say


def short(python):
    """What m5 is for, once each."""
    target = Target(python)
    reads.listed(python, target)
    reads.watched(python, target)
    still = target.ask("still")["objects"]
    reads.shot(target, "freeze", still)
    reads.shot(target, "fork", still)
    target.ask("on")
    harm.killed(python, target, harm.kills(2))
    target.end()


def full(python):
    """All that there is, but for what takes long."""
    target = Target(python, "target.py", "20000")
    reads.listed(python, target)
    reads.watched(python, target)
    reads.tuned(python, target)
    reads.captured(python, target)
    reads.told(python, target)
    reads.in_the_kernel(python, target)
    harm.killed(python, target, harm.kills(6))
    target.end()
    harm.trimmed(python, threads=False)
    harm.trimmed(python, threads=True)


SUITES = {
    "short": short,
    "all": full,
    "trim": lambda python: [harm.trimmed(python, threads) for threads in (False, True)],
    "calls": lambda python: harm.broken_off(python, 4),
    "groups": lambda python: [groups.seen(python), groups.limits(python)],
    "jemalloc": reads.under_jemalloc,
    "wheel": wheel.used,
    "hang": lambda python: harm.hung(python, float(os.environ.get("M5_MINUTES") or 10)),
}


def one(look):
    """A suite of one look."""

    def suite(python):
        target = Target(python)
        look(python, target)
        target.end()

    return suite


for _look in (reads.listed, reads.watched, reads.tuned, reads.captured, reads.told, reads.in_the_kernel):
    SUITES[_look.__name__] = one(_look)


def main():
    """Each suite on each interpreter."""
    page = os.sysconf("SC_PAGESIZE")
    swaps = "single instructions" if hardware("atomics") else "pairs"
    has = [word for word in ("sve", "sme", "bti", "gcs", "mte") if hardware(word)]
    say(
        f"kernel {os.uname().release}, pages of {page}, swaps by {swaps}, has {' '.join(has) or 'nothing special'}"
    )
    for text in sys.argv[2:]:
        for suite in sys.argv[1].split():
            try:
                SUITES[suite](Interpreter(text))
            except Exception as error:
                traceback.print_exc()
                check(f"{text}: {suite} went through", False, repr(error))
    say(f"{len(FAULTS)} faults: {FAULTS}")
    return bool(FAULTS)


if __name__ == "__main__":
    sys.exit(main())
