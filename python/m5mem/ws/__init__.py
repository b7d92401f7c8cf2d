"""`ManagedWSPool`: WebSocket connections that leave no task, descriptor or callback behind on any path.

What `websockets` does, it does: keepalive pings, limits, back-pressure, the closing handshake. The pool adds one
owner task a connection, a bound on connections, staleness (a peer that answers pings but sends no data), closing
with a deadline on every path, reconnecting with exponential backoff and full jitter, and counters.
"""

from .pool import ManagedWSPool, PoolFull
from .slot import Slot

__all__ = ["ManagedWSPool", "PoolFull", "Slot"]
