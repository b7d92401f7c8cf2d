"""Side by side: `python scripts/compare_with_baseline.py current.json baseline.json --threshold 15`."""

import sys

import reference

if __name__ == "__main__":
    sys.exit(reference.m5("compare", *sys.argv[1:]))
