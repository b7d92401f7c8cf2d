"""How much the engine keeps: the bounds that every mode shares."""

from __future__ import annotations

BAR_NS = 1_000_000_000  # a candle a second, so that a short run sees many closes
CANDLES = 200  # candles kept for a symbol
WINDOW = 60  # candles that the indicators look at
TICK_HISTORY = 500  # ticks kept for a symbol
BOOK_DEPTH = 10  # price levels kept on a side
ORDER_HISTORY = 1_000  # finished orders kept in memory, over all symbols
