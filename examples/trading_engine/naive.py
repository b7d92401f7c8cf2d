"""The engine as one writes it first: objects, dictionaries and pandas."""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import dataclass, field

from trading_engine import strategy
from trading_engine.frames import CandleStore, indicators
from trading_engine.market import OrderBook, Tick, TickStore
from trading_engine.orders import OrderLog, order_line
from trading_engine.settings import ORDER_HISTORY, WINDOW
from trading_engine.wire import symbol_name

log = logging.getLogger("trading_engine")


@dataclass
class Order:
    """An order and, once it is filled, at what price and when."""

    symbol: str
    order_id: int
    side: str
    qty: int
    price: float
    placed_seq: int
    placed_ts: int
    fill_price: float | None = None
    fill_ts: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Position:
    """What is held of one symbol; `qty` is negative when short."""

    qty: int = 0
    entry: float = 0.0
    stop: float = 0.0


class NaiveEngine:
    """Takes tick messages, keeps the market, places orders."""

    def __init__(self, symbols: int, orders: OrderLog) -> None:
        names = [symbol_name(i) for i in range(symbols)]
        self.ticks = TickStore(names)
        self.candles = CandleStore(names)
        self.books = {name: OrderBook() for name in names}
        self.positions = {name: Position() for name in names}
        self.next_id = dict.fromkeys(names, 1)
        self.pending: dict[str, Order] = {}
        self.history: deque[Order] = deque(maxlen=ORDER_HISTORY)
        self.orders = orders
        self.now = 0
        self.on_idle = None
        self.closes = 0
        self.margin = float("inf")

    def on_message(self, text: str) -> int:
        """Handles one tick message; the exchange's send time that it carries."""
        data = json.loads(text)
        tick = Tick(data["s"], data["n"], data["t"], data["b"], data["f"], data["q"], data["p"])
        self.on_tick(tick)
        return data["x"]

    def on_tick(self, tick: Tick) -> None:
        """Fills, books, stores, and decides."""
        self.now = tick.ts
        self._fill(tick)
        self.books[tick.symbol].apply(tick)
        self.ticks.add(tick)
        closed = self.candles.add(tick)
        position = self.positions[tick.symbol]
        if strategy.stop_hit(position.qty, position.stop, tick.price):
            self._place(tick, -position.qty)
        if closed:
            self.closes += 1
            self._on_candle(tick)

    def _on_candle(self, tick: Tick) -> None:
        seen = indicators(self.candles.window(tick.symbol, WINDOW))
        if seen is None or tick.symbol in self.pending:
            return
        position = self.positions[tick.symbol]
        self.margin = min(self.margin, strategy.margin(position.qty, seen))
        wanted = strategy.target(
            position.qty, seen, self.books[tick.symbol].spread, self.ticks.traded(tick.symbol)
        )
        if wanted != position.qty:
            if wanted:
                position.stop = strategy.stop_price(wanted, tick.price, seen.atr)
            self._place(tick, wanted - position.qty)

    def _place(self, tick: Tick, qty: int) -> None:
        if tick.symbol in self.pending:
            return
        order_id = self.next_id[tick.symbol]
        self.next_id[tick.symbol] = order_id + 1
        side = "BUY" if qty > 0 else "SELL"
        order = Order(
            tick.symbol, order_id, side, abs(qty), tick.price, tick.seq, tick.ts,
            tags={"strategy": "breakout"},
        )  # fmt: skip
        self.pending[tick.symbol] = order
        log.info("order %s-%d %s %d at %s", tick.symbol, order_id, side, order.qty, order.price)
        self.orders.write(
            order_line("NEW", tick.seq, tick.ts, tick.symbol, order_id, side, order.qty, tick.price)
        )

    def _fill(self, tick: Tick) -> None:
        order = self.pending.pop(tick.symbol, None)
        if order is None:
            return
        order.fill_price, order.fill_ts = tick.price, tick.ts
        position = self.positions[tick.symbol]
        position.qty += order.qty if order.side == "BUY" else -order.qty
        position.entry = tick.price if position.qty else 0.0
        self.history.append(order)
        log.info("fill %s-%d at %s", tick.symbol, order.order_id, tick.price)
        self.orders.write(
            order_line(
                "FILL", tick.seq, tick.ts, tick.symbol, order.order_id, order.side,
                order.qty, tick.price,
            )
        )  # fmt: skip
