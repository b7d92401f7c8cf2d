"""A service that does a case at a steady rate: `python paced.py MODULE FUNCTION RATE FIRST`, FIRST of them at once."""

import importlib
import sys
import time


def at_rate(step, per_second):
    """Does it so many times a second, for ever."""
    every, due = 1.0 / per_second, time.monotonic()
    while True:
        step()
        due += every
        time.sleep(max(0.0, due - time.monotonic()))


def main():
    module, function, rate, first = sys.argv[1:]
    step = getattr(importlib.import_module(module), function)
    for _ in range(int(first)):
        step()
    print("ready", flush=True)
    at_rate(step, float(rate))


if __name__ == "__main__":
    main()
