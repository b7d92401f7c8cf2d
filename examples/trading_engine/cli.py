"""The command line: `python -m trading_engine`, or the folder itself."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trading_engine import __version__, deps
from trading_engine.engine import Engine, build
from trading_engine.faults import KINDS, Fault
from trading_engine.optimized.collector import IdleCollector
from trading_engine.optimized.parts import PARTS
from trading_engine.orders import OrderLog
from trading_engine.pauses import PauseMeter
from trading_engine.source import add_source_arguments, record_source
from trading_engine.wire import FormatError, read_header

if TYPE_CHECKING:
    from m5mem.gc import Manager

USAGE = 2
_PR_SET_PTRACER = 0x59616D61


def parser() -> argparse.ArgumentParser:
    """Every option of the engine."""
    out = argparse.ArgumentParser(
        prog="trading_engine",
        description="A reference trading engine with an exchange of its own.",
    )
    out.add_argument("--version", action="version", version=__version__)
    add_source_arguments(out)
    run = out.add_argument_group("run")
    run.add_argument("--connections", type=int, default=5, help="WebSockets, 3 to 10")
    run.add_argument(
        "--exchange", default="process", metavar="process|embedded|ws://…",
        help="the exchange in a process of its own (default: the engine's memory is then the "
        "engine's alone), in the engine's loop, or one that runs already",
    )  # fmt: skip
    run.add_argument("--accelerate", action="store_true", help="the same ticks, without waiting")
    run.add_argument("--offline", action="store_true", help="no sockets: a virtual clock (needs an end)")
    run.add_argument("--orders", type=Path, help="write the orders to this file")
    run.add_argument("--stats", type=Path, help="write what was measured to this JSON file")
    run.add_argument("--ready-fd", type=int, help="write pid and port here once connected")
    run.add_argument("--ready-file", type=Path, help="the same, into a file")
    run.add_argument("--clock", type=Path, help="keep the seconds of event time in this file")
    run.add_argument("--quiet", action="store_true", help="print no report")
    run.add_argument(
        "--traceable", action="store_true",
        help="let any process of this user read this one where Yama would ask for a parent",
    )  # fmt: skip
    run.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    better = out.add_argument_group("optimisations: the same decisions, lighter")
    better.add_argument("--optimized", action="store_true", help="all of them")
    better.add_argument(
        "--optimize",
        type=parts,
        default=frozenset(),
        metavar="PART,…",
        help="only these: " + ", ".join(PARTS),
    )
    better.add_argument("--without", type=parts, default=frozenset(), metavar="PART,…", help="all but these")
    better.add_argument(
        "--m5mem", action="store_true",
        help="candles, connections and collection by the package m5mem (implies --optimized)",
    )  # fmt: skip
    better.add_argument("--measure-gc", action="store_true", help="time each collection from inside")
    fault = out.add_argument_group("faults, for tests of monitors")
    fault.add_argument("--leak", choices=KINDS)
    fault.add_argument("--leak-rate", type=float, default=10.0, help="a second of event time")
    fault.add_argument("--leak-size", type=int, default=4096, help="bytes each")
    return out


def parts(text: str) -> frozenset[str]:
    """The optimisations that are named in a list with commas."""
    names = frozenset(text.split(","))
    if not names <= set(PARTS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(PARTS)}")
    return names


def check(args: argparse.Namespace) -> str:
    """What is wrong with the options, or ''."""
    if args.source is not None:
        try:
            args.symbols = read_header(args.source).symbols
        except (OSError, FormatError) as error:
            return f"cannot read {args.source}: {error}"
    if args.symbols < 1 or args.symbols > 65535:
        return "--symbols must be between 1 and 65535"
    if not 1 <= args.connections <= args.symbols:
        return "--connections must be between 1 and the number of symbols"
    if args.rate <= 0 or args.leak_rate <= 0 or args.leak_size <= 0:
        return "rates and sizes must be positive"
    if args.offline and args.duration is None and args.source is None:
        return "--offline needs an end: give --duration or --source"
    if args.offline and args.leak == "connection":
        return "--leak connection needs a live run, not --offline"
    if args.exchange not in ("process", "embedded") and not args.exchange.startswith("ws://"):
        return "--exchange is process, embedded or a ws:// address"
    return ""


def main(argv: list[str] | None = None) -> int:
    """Runs the engine; 0 when it ended as it should, 2 for wrong usage."""
    args = parser().parse_args(argv)
    if args.optimized or args.without or (args.m5mem and not args.optimize):
        args.optimize = frozenset(PARTS) - args.without
    complaint = deps.advice(packages(args)) or check(args)
    if complaint:
        print(f"trading_engine: {complaint}", file=sys.stderr)
        return USAGE
    args.fault = Fault(args.leak, args.leak_rate, args.leak_size) if args.leak else None
    logging.basicConfig(
        level=args.log_level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)
    if args.traceable:
        allow_reading()
    result = _run(args)
    text = json.dumps(result, indent=2)
    if args.stats is not None:
        temporary = args.stats.with_name(args.stats.name + ".tmp")
        temporary.write_text(text + "\n")
        os.replace(temporary, args.stats)
    if not args.quiet:
        print(text)
    return 0


def packages(args: argparse.Namespace) -> list[str]:
    """The third-party packages that this run cannot do without."""
    names = [] if args.offline else ["websockets"]
    names += ["m5mem"] if args.m5mem else []
    names += ["numpy"] if args.source is None else []
    light = {"ticks", "book", "candles"} <= args.optimize
    return names if light else [*names, "pandas"]


def manage_collection() -> Manager:
    """Hands collection to m5mem. The engine is warm by then: its heap is frozen at once."""
    from m5mem.gc import Idle, manage

    idle = Idle(interval=1.0, deadline=10.0, full_interval=60.0)
    return manage(warmup=0.0, tick=0.5, idle_collect=idle)


def allow_reading() -> None:
    """Opens this process to ptrace and process_vm_readv by processes of the same user."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)


def _run(args: argparse.Namespace) -> dict[str, object]:
    orders = OrderLog(args.orders)
    meter = PauseMeter() if args.measure_gc else None
    # m5mem's manager lives in the loop; on a virtual clock there is none.
    managed = args.m5mem and "gc" in args.optimize and not args.offline
    collector = IdleCollector(meter) if "gc" in args.optimize and not managed else None
    engine = build(args, orders, collector)
    with contextlib.ExitStack() as stack:
        stack.callback(orders.close)

        def ready() -> None:
            """The warm-up is over: what is measured begins, what is managed is taken over."""
            if managed:
                manager = manage_collection()
                stack.callback(manager.stop)
                if meter is not None:
                    meter.manager = manager
            elif collector is not None:
                collector.start()
                stack.callback(collector.stop)
            if meter is not None:
                meter.start()
                stack.callback(meter.stop)

        if args.offline:
            measured = _offline(args, engine, ready)
        else:
            from trading_engine.live import ExchangeFailed, run_live

            try:
                measured = asyncio.run(run_live(args, engine, ready))
            except ExchangeFailed as error:
                raise SystemExit(f"trading_engine: {error}") from None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if meter is not None:
        measured["gc"] = meter.summary()
    return {
        **measured,
        "candles": engine.closes,
        "order_events": orders.count,
        "orders_sha256": orders.close(),
        "decision_margin": engine.margin,
        "peak_rss_bytes": peak,
    }


def _offline(args: argparse.Namespace, engine: Engine, ready: Callable[[], None]) -> dict[str, object]:
    from trading_engine.faults import Injector
    from trading_engine.offline import run_offline, warm

    records, _ = record_source(args)
    if args.warm_up:
        records = warm(engine, records, args.warm_up)
    ready()
    injector = Injector(args.fault) if args.fault else None
    try:
        return run_offline(engine, records, injector)
    finally:
        if injector is not None:
            asyncio.run(injector.close())
