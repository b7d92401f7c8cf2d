"""An order book in four arrays, the best price of each side at its end."""

from __future__ import annotations

from array import array

from trading_engine.settings import BOOK_DEPTH
from trading_engine.wire import SIDE_BUY


class ArrayBook:
    """The price levels that trades have shown: bids rising, asks falling."""

    __slots__ = ("_ask_sizes", "_asks", "_bid_sizes", "_bids", "_depth")

    def __init__(self, depth: int = BOOK_DEPTH) -> None:
        self._depth = depth
        self._bids, self._bid_sizes = array("d"), array("I")
        self._asks, self._ask_sizes = array("d"), array("I")

    def apply(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """A buyer trades at the best ask, a seller at the best bid."""
        bids, asks = self._bids, self._asks
        if side == SIDE_BUY:
            sizes = self._ask_sizes
            while asks and asks[-1] < price:
                asks.pop()
                sizes.pop()
            if asks and asks[-1] == price:
                sizes[-1] = qty
            else:
                asks.append(price)
                sizes.append(qty)
                if len(asks) > self._depth:
                    del asks[0], sizes[0]
            while bids and bids[-1] >= price:
                bids.pop()
                self._bid_sizes.pop()
        else:
            sizes = self._bid_sizes
            while bids and bids[-1] > price:
                bids.pop()
                sizes.pop()
            if bids and bids[-1] == price:
                sizes[-1] = qty
            else:
                bids.append(price)
                sizes.append(qty)
                if len(bids) > self._depth:
                    del bids[0], sizes[0]
            while asks and asks[-1] <= price:
                asks.pop()
                self._ask_sizes.pop()

    @property
    def spread(self) -> float:
        """Best ask less best bid; infinite while a side is empty."""
        if not self._bids or not self._asks:
            return float("inf")
        return self._asks[-1] - self._bids[-1]

    def levels(self) -> tuple[dict[float, int], dict[float, int]]:
        """Bids and asks with their sizes, best first."""
        bids = zip(reversed(self._bids), reversed(self._bid_sizes))
        asks = zip(reversed(self._asks), reversed(self._ask_sizes))
        return dict(bids), dict(asks)
