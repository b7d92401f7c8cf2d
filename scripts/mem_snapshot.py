"""What is in memory: `python scripts/mem_snapshot.py --top 50 --save`."""

import sys

import mem

if __name__ == "__main__":
    sys.exit(mem.main(["snapshot", *sys.argv[1:]]))
