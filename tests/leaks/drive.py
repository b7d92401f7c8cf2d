"""A service that does a case as often as it is told: `python drive.py MODULE FUNCTION`, a number a line on its input."""

import importlib
import sys


def main():
    step = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        print("done", flush=True)


if __name__ == "__main__":
    main()
