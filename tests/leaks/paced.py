"""A service that does a case at a steady rate: `python paced.py MODULE FUNCTION RATE FIRST`, FIRST of them at once."""

import importlib
import sys
import time


def main():
    module, function, rate, first = sys.argv[1:]
    step, every = getattr(importlib.import_module(module), function), 1.0 / float(rate)
    for _ in range(int(first)):
        step()
    print("ready", flush=True)
    due = time.monotonic()
    while True:
        step()
        due += every
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
