"""Makes both `python -m trading_engine` and `python examples/trading_engine` work."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Run as a folder: Python put the package itself on the path, where its
    # modules would be importable under two names.
    here = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if not p or Path(p).resolve() != here]
    sys.path.insert(0, str(here.parent))

from trading_engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
