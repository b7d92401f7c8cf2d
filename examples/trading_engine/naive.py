"""The engine as one writes it first: objects, dictionaries and pandas.

Everything it keeps is bounded. Nothing in it is slow on purpose: candles in a
DataFrame, windows by `tail(n).copy()`, indicators by `rolling`, as the pandas
documentation shows.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import dataclass, field

import pandas as pd

from trading_engine import strategy
from trading_engine.orders import OrderLog, order_line
from trading_engine.settings import (
    BAR_NS,
    BOOK_DEPTH,
    CANDLES,
    ORDER_HISTORY,
    TICK_HISTORY,
    WINDOW,
)
from trading_engine.wire import SIDE_BUY, symbol_name

log = logging.getLogger("trading_engine")

COLUMNS = ["open", "high", "low", "close", "volume"]


@dataclass
class Tick:
    """One trade on the exchange."""

    symbol: str
    seq: int
    ts: int
    side: int
    flags: int
    qty: int
    price: float


@dataclass
class Candle:
    """A candle that is still forming."""

    bucket: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def add(self, tick: Tick) -> None:
        """Takes one more trade into the candle."""
        self.high = max(self.high, tick.price)
        self.low = min(self.low, tick.price)
        self.close = tick.price
        self.volume += tick.qty


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


class OrderBook:
    """The price levels that trades have shown, best ones first."""

    def __init__(self, depth: int = BOOK_DEPTH) -> None:
        self.depth = depth
        self.bids: dict[float, int] = {}
        self.asks: dict[float, int] = {}

    def apply(self, tick: Tick) -> None:
        """A buyer trades at the best ask, a seller at the best bid."""
        if tick.side == SIDE_BUY:
            self.asks = {p: q for p, q in self.asks.items() if p >= tick.price}
            self.asks[tick.price] = tick.qty
            self.bids = {p: q for p, q in self.bids.items() if p < tick.price}
            self.asks = dict(sorted(self.asks.items())[: self.depth])
        else:
            self.bids = {p: q for p, q in self.bids.items() if p <= tick.price}
            self.bids[tick.price] = tick.qty
            self.asks = {p: q for p, q in self.asks.items() if p > tick.price}
            self.bids = dict(sorted(self.bids.items(), reverse=True)[: self.depth])

    @property
    def spread(self) -> float:
        """Best ask less best bid; infinite while a side is empty."""
        if not self.bids or not self.asks:
            return float("inf")
        return min(self.asks) - max(self.bids)


class MarketData:
    """Ticks and candles of every symbol."""

    def __init__(self, symbols: list[str]) -> None:
        self.ticks: dict[str, deque[Tick]] = {s: deque(maxlen=TICK_HISTORY) for s in symbols}
        self.candles: dict[str, pd.DataFrame] = {
            s: pd.DataFrame(columns=COLUMNS, dtype=float) for s in symbols
        }
        self.forming: dict[str, Candle] = {}

    def add_tick(self, tick: Tick) -> bool:
        """Stores a tick; True when it closed the candle before it."""
        self.ticks[tick.symbol].append(tick)
        bucket = tick.ts // BAR_NS
        forming = self.forming.get(tick.symbol)
        if forming is not None and forming.bucket == bucket:
            forming.add(tick)
            return False
        self.forming[tick.symbol] = Candle(
            bucket, tick.price, tick.price, tick.price, tick.price, float(tick.qty)
        )
        if forming is None:
            return False
        self._close(tick.symbol, forming)
        return True

    def _close(self, symbol: str, candle: Candle) -> None:
        candles = self.candles[symbol]
        when = pd.Timestamp(candle.bucket * BAR_NS)
        candles.loc[when] = [candle.open, candle.high, candle.low, candle.close, candle.volume]
        if len(candles) > CANDLES:
            self.candles[symbol] = candles.tail(CANDLES).copy()

    def window(self, symbol: str, size: int) -> pd.DataFrame:
        """The last `size` candles, a copy that the caller may change."""
        return self.candles[symbol].tail(size).copy()


def compute_sma(window: pd.DataFrame, period: int) -> float:
    """Simple moving average of the close."""
    return float(window["close"].rolling(period).mean().iloc[-1])


def compute_std(window: pd.DataFrame, period: int) -> float:
    """Standard deviation of the close."""
    return float(window["close"].rolling(period).std().iloc[-1])


def compute_atr(window: pd.DataFrame, period: int) -> float:
    """Average true range."""
    previous = window["close"].shift(1)
    ranges = pd.concat(
        [
            window["high"] - window["low"],
            (window["high"] - previous).abs(),
            (window["low"] - previous).abs(),
        ],
        axis=1,
    )
    return float(ranges.max(axis=1).rolling(period).mean().iloc[-1])


class NaiveEngine:
    """Takes tick messages, keeps the market, places orders."""

    def __init__(self, symbols: int, orders: OrderLog) -> None:
        names = [symbol_name(i) for i in range(symbols)]
        self.market = MarketData(names)
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
        closed = self.market.add_tick(tick)
        position = self.positions[tick.symbol]
        if strategy.stop_hit(position.qty, position.stop, tick.price):
            self._place(tick, -position.qty)
        if closed:
            self.closes += 1
            self._on_candle(tick)

    def _on_candle(self, tick: Tick) -> None:
        window = self.market.window(tick.symbol, WINDOW)
        if len(window) < strategy.MIN_CANDLES or tick.symbol in self.pending:
            return
        seen = strategy.Indicators(
            close=float(window["close"].iloc[-1]),
            fast=compute_sma(window, strategy.FAST),
            slow=compute_sma(window, strategy.SLOW),
            mean=compute_sma(window, strategy.BAND),
            std=compute_std(window, strategy.BAND),
            atr=compute_atr(window, strategy.ATR_PERIOD),
        )
        position = self.positions[tick.symbol]
        self.margin = min(self.margin, strategy.margin(position.qty, seen))
        wanted = strategy.target(position.qty, seen, self.books[tick.symbol].spread)
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
