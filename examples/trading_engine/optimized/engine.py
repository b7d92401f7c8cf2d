"""The light engine: one object a symbol, scalars passed on, parts that do not allocate."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from trading_engine import strategy
from trading_engine.optimized.parts import Factories
from trading_engine.orders import OrderLog, order_line
from trading_engine.wire import symbol_name

log = logging.getLogger("trading_engine")


class State:
    """All that is kept of one symbol."""

    __slots__ = (
        "book", "candles", "held", "next_id", "on_book", "on_candle", "on_tick", "pending",
        "stop", "symbol", "ticks",
    )  # fmt: skip

    def __init__(self, index: int, made: Factories) -> None:
        self.symbol = symbol_name(index)
        self.ticks = made.ticks(index)
        self.book = made.book(index)
        self.candles = made.candles(index)
        self.on_tick = self.ticks.append
        self.on_book = self.book.apply
        self.on_candle = self.candles.add
        self.held = 0
        self.stop = 0.0
        self.next_id = 1
        self.pending = 0  # signed quantity of the order that waits for its fill


class OptimizedEngine:
    """Takes tick messages, keeps the market, places orders."""

    def __init__(
        self,
        symbols: int,
        orders: OrderLog,
        made: Factories,
        on_idle: Callable[[int, int], None] | None = None,
    ) -> None:
        states = [State(index, made) for index in range(symbols)]
        self._states = {state.symbol: state for state in states}
        self._history = made.history()
        self.orders = orders
        self.on_idle = on_idle
        self.now = 0
        self.closes = 0
        self.margin = float("inf")

    def on_message(self, text: str) -> int:
        """Handles one tick message; the exchange's send time that it carries."""
        data = json.loads(text)
        state = self._states[data["s"]]
        seq, ts, side, flags, qty, price = (
            data["n"], data["t"], data["b"], data["f"], data["q"], data["p"],
        )  # fmt: skip
        self.now = ts
        if state.pending:
            self._fill(state, seq, ts, price)
        state.on_book(seq, ts, side, flags, qty, price)
        state.on_tick(seq, ts, side, flags, qty, price)
        closed = state.on_candle(seq, ts, side, flags, qty, price)
        held = state.held
        if held and strategy.stop_hit(held, state.stop, price):
            self._place(state, seq, ts, price, -held)
        if closed:
            self.closes += 1
            self._on_candle(state, seq, ts, price)
        return data["x"]

    def _on_candle(self, state: State, seq: int, ts: int, price: float) -> None:
        seen = state.candles.indicators()
        if seen is None or state.pending:
            return
        held = state.held
        self.margin = min(self.margin, strategy.margin(held, seen))
        wanted = strategy.target(held, seen, state.book.spread, state.ticks.traded)
        if wanted != held:
            if wanted:
                state.stop = strategy.stop_price(wanted, price, seen.atr)
            self._place(state, seq, ts, price, wanted - held)

    def _place(self, state: State, seq: int, ts: int, price: float, qty: int) -> None:
        if state.pending:
            return
        state.pending = qty
        self._write("NEW", state, seq, ts, price)

    def _fill(self, state: State, seq: int, ts: int, price: float) -> None:
        state.held += state.pending
        self._write("FILL", state, seq, ts, price)
        state.next_id += 1
        state.pending = 0

    def _write(self, kind: str, state: State, seq: int, ts: int, price: float) -> None:
        qty = state.pending
        side = "BUY" if qty > 0 else "SELL"
        line = order_line(kind, seq, ts, state.symbol, state.next_id, side, abs(qty), price)
        log.info("%s %s-%d %s %d at %s", kind, state.symbol, state.next_id, side, abs(qty), price)
        self.orders.write(line)
        if self._history is not None and kind == "FILL":
            self._history.append({"symbol": state.symbol, "id": state.next_id, "seq": seq, "line": line})
