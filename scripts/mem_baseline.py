"""Records a baseline: `python scripts/mem_baseline.py --duration 1800 --save baseline.json`."""

import sys

import mem

if __name__ == "__main__":
    sys.exit(mem.main(["baseline", *sys.argv[1:]]))
