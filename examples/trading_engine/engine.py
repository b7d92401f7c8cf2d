"""What every mode of the engine looks like from outside, and how one is chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

from trading_engine.orders import OrderLog


class Engine(Protocol):
    """Takes tick messages and decides."""

    now: int  # event time of the last tick
    closes: int  # candles closed so far
    margin: float  # how far the closest decision was from going the other way
    on_idle: Callable[[int], None] | None  # told how many ns nothing is due

    def on_message(self, text: str) -> int:
        """Handles one tick message; the exchange's send time that it carries."""


def build(args: argparse.Namespace, orders: OrderLog) -> Engine:
    """The engine that the options ask for."""
    from trading_engine.naive import NaiveEngine

    return NaiveEngine(args.symbols, orders)
