"""What every mode of the engine looks like from outside, and how one is chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

from trading_engine.optimized.collector import IdleCollector
from trading_engine.orders import OrderLog


class Engine(Protocol):
    """Takes tick messages and decides."""

    now: int  # event time of the last tick
    closes: int  # candles closed so far
    margin: float  # how far the closest decision was from going the other way
    on_idle: Callable[[int, int], None] | None  # told the time, and for how many ns nothing is due

    def on_message(self, text: str) -> int:
        """Handles one tick message; the exchange's send time that it carries."""


def build(args: argparse.Namespace, orders: OrderLog, collector: IdleCollector | None) -> Engine:
    """The engine that the options ask for."""
    if not args.optimize:
        from trading_engine.naive import NaiveEngine

        return NaiveEngine(args.symbols, orders)
    from trading_engine.optimized.engine import OptimizedEngine
    from trading_engine.optimized.parts import factories

    on_idle = None if collector is None else collector.idle
    return OptimizedEngine(args.symbols, orders, factories(args.optimize, args.m5mem), on_idle)
