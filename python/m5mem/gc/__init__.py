"""Keeps the garbage collector's pauses out of the program's way, and measures every one of them.

``manage()`` does nothing that it does not measure:

* pauses are timed by a native entry in ``gc.callbacks`` and kept in fixed-size histograms, by generation;
* after the warm-up the heap is collected once and frozen (``gc.freeze``);
* the first threshold is raised step by step, as far as the warm-up's rate asks for, and each step is taken back where
  pauses got longer than the budget or cost more than before;
* in an asyncio program collections move into idle moments, generation by generation, by time and not by
  ``gc.get_count()`` (that counts *net* allocations: a bounded queue makes none). Where the loop is never idle,
  a deadline collects all the same; full collections have a schedule of their own;
* a guard goes back to normal collection when garbage or RSS grows.

``stop()`` restores what was there before.
"""

from .limits import Guard, Idle, Trim
from .manager import Manager, current, manage

__all__ = ["Guard", "Idle", "Manager", "Trim", "current", "manage"]
