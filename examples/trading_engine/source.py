"""Where the ticks come from: a file, or a stream made from a seed.

NumPy is imported only when a stream has to be made.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from trading_engine import wire
from trading_engine.units import duration

_NS = 1_000_000_000


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what the ticks are, the same for every program."""
    group = parser.add_argument_group("ticks")
    group.add_argument("--seed", type=int, default=1)
    group.add_argument("--symbols", type=int, default=50)
    group.add_argument("--rate", type=float, default=1000.0, help="ticks a second")
    group.add_argument("--burst", type=float, default=0.0, help="how unsteady the rate is")
    group.add_argument("--duration", type=duration, help="event time; without it, no end")
    group.add_argument(
        "--warm-up",
        type=duration,
        default=0.0,
        help="this much of the stream first, without waiting and without measuring",
    )
    group.add_argument("--source", type=Path, help="a tick file instead of a seed")


def source_options(args: argparse.Namespace) -> list[str]:
    """The same choices as command-line words, for a child process."""
    words = [
        "--seed",
        str(args.seed),
        "--symbols",
        str(args.symbols),
        "--rate",
        str(args.rate),
        "--burst",
        str(args.burst),
    ]
    words += ["--warm-up", str(args.warm_up)] if args.warm_up else []  # fmt: skip
    if args.duration is not None:
        words += ["--duration", str(args.duration)]
    if args.source is not None:
        words += ["--source", str(args.source)]
    return words


def length(args: argparse.Namespace) -> float | None:
    """Seconds of event time in all: the warm-up and the duration after it."""
    return None if args.duration is None else args.warm_up + args.duration


def record_source(args: argparse.Namespace) -> tuple[Iterator[wire.Record], wire.StreamHeader]:
    """The records that the options name, and the header that describes them."""
    if args.source is not None:
        header = wire.read_header(args.source)
        return _until(wire.read_records(args.source), length(args)), header
    from trading_engine.ticks import StreamSpec, records

    spec = StreamSpec(args.seed, args.symbols, args.rate, length(args), args.burst)
    return records(spec), spec.header()


def _until(records: Iterator[wire.Record], seconds: float | None) -> Iterator[wire.Record]:
    if seconds is None:
        yield from records
        return
    end: int | None = None
    for record in records:
        if end is None:
            end = record[1] + int(seconds * _NS)
        if record[1] >= end:
            return
        yield record
