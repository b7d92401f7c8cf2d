"""Seeded, realistic ticks, made a second at a time so that memory stays small.

Arrivals are Poisson (optionally with a slowly moving intensity), activity
over symbols follows Zipf 0.7, steps are Student-t with four degrees of freedom
scaled by an AR(1) log-volatility, and trades bounce between bid and ask.
Same arguments, same bytes.

    python -m trading_engine.ticks --out ticks.bin --seconds 5m
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trading_engine import portable, wire
from trading_engine.units import duration

START_NS = 1_704_205_800_000_000_000  # 2024-01-02 14:30:00 UTC, an opening bell
_SECOND = 1_000_000_000
_ZIPF = 0.7
_VOL_PERSISTENCE, _VOL_SHOCK, _TICK_VOL = 0.98, 0.12, 3e-4
_BURST_PERSISTENCE = 0.95
_SUB = 1 << 16  # mid prices are integers in units of 1/65536
_PER_64TH = _SUB // 64
_REVERSION = 2048  # a mid gives back 1/2048 of its excursion each second
_BLOCK_QTY = 180

RECORD_DTYPE = np.dtype(
    [
        ("seq", "<u8"), ("ts", "<i8"), ("symbol", "<u2"), ("side", "u1"),
        ("flags", "u1"), ("qty", "<u4"), ("price", "<f8"),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class StreamSpec:
    """What a stream is made from. `seconds` None means without end."""

    seed: int = 1
    symbols: int = 50
    rate: float = 1000.0
    seconds: float | None = None
    burst: float = 0.0

    def header(self, count: int = 0) -> wire.StreamHeader:
        """The file header of this stream (an endless one has 0 seconds)."""
        return wire.StreamHeader(
            self.symbols, self.seed, START_NS, self.rate, self.seconds or 0.0,
            self.burst, count,
        )  # fmt: skip


class TickStream:
    """The ticks of a spec, as NumPy arrays of one second of event time each."""

    def __init__(self, spec: StreamSpec) -> None:
        if not 1 <= spec.symbols <= 65535:
            raise ValueError("symbols must be between 1 and 65535")
        if not spec.rate > 0:
            raise ValueError("rate must be positive")
        self.spec = spec
        self._bits = np.random.PCG64(spec.seed)
        rank = np.arange(1, spec.symbols + 1, dtype=np.float64)
        weight = portable.exp(-_ZIPF * portable.ln(rank))
        self._activity = np.cumsum(weight) / weight.cumsum()[-1]
        self._home = (20.0 + 380.0 * self._uniform(spec.symbols)) * _SUB
        self._home = self._home.astype(np.int64)
        self._mid = self._home.copy()
        self._log_vol = np.zeros(spec.symbols)
        self._log_rate = 0.0
        self._opened = np.zeros(spec.symbols, dtype=bool)
        self._seq = 0

    def chunks(self) -> Iterator[np.ndarray]:
        """One array of records a second, in order of time and sequence."""
        second = 0
        limit = self.spec.seconds
        while limit is None or second < limit:
            span = 1.0 if limit is None else min(1.0, limit - second)
            yield self._second(second, span)
            second += 1

    def _uniform(self, count: int) -> np.ndarray:
        """`count` floats in [0, 1), from raw bits so that no release changes them."""
        raw = self._bits.random_raw(count)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def _normal(self, count: int) -> np.ndarray:
        """Nearly normal (twelve uniforms), exact operations only."""
        total = np.zeros(count)
        for _ in range(12):
            total = total + self._uniform(count)
        return total - 6.0

    def _student(self, count: int) -> np.ndarray:
        """Student-t, 4 degrees of freedom: Bailey's polar method needs only sqrt."""
        parts: list[np.ndarray] = []
        have = 0
        while have < count:
            draw = int((count - have) * 1.35) + 8
            u = 2.0 * self._uniform(draw) - 1.0
            v = 2.0 * self._uniform(draw) - 1.0
            w = u * u + v * v
            ok = (w <= 1.0) & (w > 0.0)
            u, w = u[ok], w[ok]
            parts.append(u * np.sqrt(4.0 * (1.0 / np.sqrt(w) - 1.0) / w))
            have += len(u)
        return np.concatenate(parts)[:count]

    def _arrivals(self, span: float) -> np.ndarray:
        """Offsets in ns of the arrivals within `span` seconds."""
        rate = self.spec.rate
        if self.spec.burst > 0.0:
            b = _BURST_PERSISTENCE
            shock = self.spec.burst * float(np.sqrt(1.0 - b * b))
            self._log_rate = b * self._log_rate + shock * float(self._normal(1)[0])
            rate *= float(portable.exp(np.array(self._log_rate)))
        block = int(rate + 6.0 * rate**0.5) + 16
        parts: list[np.ndarray] = []
        now = 0.0
        while now < span:
            gaps = -portable.ln(1.0 - self._uniform(block)) / rate
            times = np.cumsum(gaps) + now
            parts.append(times)
            now = float(times[-1])
        times = np.concatenate(parts)
        return (times[times < span] * _SECOND).astype(np.int64)

    def _second(self, second: int, span: float) -> np.ndarray:
        shock = _VOL_SHOCK * self._normal(self.spec.symbols)
        self._log_vol = _VOL_PERSISTENCE * self._log_vol + shock
        offsets = self._arrivals(span)
        count = len(offsets)
        picks = np.searchsorted(self._activity, self._uniform(count), side="right")
        symbol = np.minimum(picks, self.spec.symbols - 1)
        step = self._student(count)
        side = (self._uniform(count) < 0.5).astype(np.int64)
        u = self._uniform(count)
        qty = 1 + np.floor(200.0 * u * u * u).astype(np.int64)
        mid = self._walk(symbol, step)

        out = np.zeros(count, dtype=RECORD_DTYPE)
        out["seq"] = np.arange(self._seq + 1, self._seq + 1 + count)
        out["ts"] = START_NS + second * _SECOND + offsets
        out["symbol"] = symbol
        out["side"] = side
        out["flags"] = self._flags(symbol, qty)
        out["qty"] = qty
        out["price"] = _bounce(mid, side)
        self._seq += count
        return out

    def _walk(self, symbol: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The mid price at each tick; leaves each symbol's last one in `_mid`."""
        self._mid += (self._home - self._mid) // _REVERSION
        scale = _TICK_VOL * portable.exp(self._log_vol) * self._mid
        delta = np.clip(step, -20.0, 20.0) * scale[symbol]
        moves = np.rint(delta).astype(np.int64)
        order = np.argsort(symbol, kind="stable")
        sorted_symbol = symbol[order]
        running = np.cumsum(moves[order])
        first = np.searchsorted(sorted_symbol, sorted_symbol, side="left")
        before = np.where(first > 0, running[first - 1], 0)
        mid_sorted = self._mid[sorted_symbol] + running - before
        mid_sorted = np.maximum(mid_sorted, self._home[sorted_symbol] // 8)
        mid = np.empty_like(mid_sorted)
        mid[order] = mid_sorted
        self._mid[sorted_symbol] = mid_sorted  # the last write of a symbol wins
        return mid

    def _flags(self, symbol: np.ndarray, qty: np.ndarray) -> np.ndarray:
        flags = np.where(qty >= _BLOCK_QTY, wire.FLAG_BLOCK, 0)
        _, first = np.unique(symbol, return_index=True)
        fresh = first[~self._opened[symbol[first]]]
        flags[fresh] |= wire.FLAG_OPENING
        self._opened[symbol] = True
        return flags


def _bounce(mid: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Trade prices: the mid, plus or minus half a spread, in multiples of 1/64."""
    half = np.maximum(_PER_64TH, mid // 8192)
    units = (mid + np.where(side == 1, half, -half) + _PER_64TH // 2) // _PER_64TH
    return np.maximum(units, 1) / 64.0


def records(spec: StreamSpec) -> Iterator[wire.Record]:
    """The ticks of `spec` as plain tuples, a second in memory at a time."""
    for chunk in TickStream(spec).chunks():
        yield from chunk.tolist()


def write_file(path: Path, spec: StreamSpec) -> int:
    """Writes a stream with an end to `path`; the number of ticks."""
    if spec.seconds is None:
        raise ValueError("a file needs an end: give seconds")
    count = 0
    with path.open("wb") as file:
        file.write(spec.header().pack())
        for chunk in TickStream(spec).chunks():
            file.write(chunk.tobytes())
            count += len(chunk)
        file.seek(0)
        file.write(replace(spec.header(), count=count).pack())
    return count


def main(argv: list[str] | None = None) -> int:
    """`python -m trading_engine.ticks`: writes a tick file."""
    parser = argparse.ArgumentParser(prog="trading_engine.ticks", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=duration, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--burst", type=float, default=0.0)
    args = parser.parse_args(argv)
    spec = StreamSpec(args.seed, args.symbols, args.rate, args.seconds, args.burst)
    count = write_file(args.out, spec)
    print(f"{args.out}: {count} ticks, {args.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
