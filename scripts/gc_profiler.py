"""Pauses by generation: `python scripts/gc_profiler.py --duration 300 --optimize`."""

import sys

import mem

if __name__ == "__main__":
    sys.exit(mem.main(["gc", *sys.argv[1:]]))
