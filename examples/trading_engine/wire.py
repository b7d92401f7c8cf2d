"""The two faces of a tick: 32 bytes in a file, one JSON object on a WebSocket.

File: a 64-byte header, then records of 32 bytes, all little-endian.

header  magic 8s "M5TICKS\\0" | version u16 | header size u16 | symbols u32 |
        seed u64 | start i64 (ns since 1970) | rate f64 (ticks/s) |
        seconds f64 | burst f64 | count u64
record  seq u64 | ts i64 (ns since 1970) | symbol u16 | side u8 | flags u8 |
        qty u32 | price f64

`seq` counts from 1 without gaps. `side` is 1 when the buyer took liquidity,
0 when the seller did. Prices are multiples of 1/64, so that sums of them are
exact in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"M5TICKS\0"
VERSION = 1
HEADER = struct.Struct("<8sHHIQqdddQ")
RECORD = struct.Struct("<QqHBBId")
SIDE_SELL, SIDE_BUY = 0, 1
FLAG_OPENING = 1  # the symbol's first tick
FLAG_BLOCK = 2  # an unusually large trade
PRICE_UNIT = 1.0 / 64.0
_READ_RECORDS = 4096

Record = tuple[int, int, int, int, int, int, float]


class FormatError(ValueError):
    """The file is not a tick file of a version that this code reads."""


@dataclass(frozen=True)
class StreamHeader:
    """What produced a stream; `count` is 0 while the stream is still written."""

    symbols: int
    seed: int
    start_ns: int
    rate: float
    seconds: float
    burst: float
    count: int = 0

    def pack(self) -> bytes:
        """The 64 bytes that open a file."""
        return HEADER.pack(
            MAGIC, VERSION, HEADER.size, self.symbols, self.seed, self.start_ns,
            self.rate, self.seconds, self.burst, self.count,
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> StreamHeader:
        """The header in `data`; FormatError if it is not one."""
        if len(data) < HEADER.size:
            raise FormatError("too short for a tick file")
        magic, version, size, *rest = HEADER.unpack_from(data)
        if magic != MAGIC:
            raise FormatError("not a tick file")
        if version != VERSION or size != HEADER.size:
            raise FormatError(f"tick file version {version} is not supported")
        return cls(*rest)


def symbol_name(index: int) -> str:
    """`S000`, `S001`, …: the name of a symbol on the wire and in orders."""
    return f"S{index:03d}"


def read_header(path: Path) -> StreamHeader:
    """The header of a tick file; FormatError or OSError."""
    with path.open("rb") as file:
        return StreamHeader.unpack(file.read(HEADER.size))


def read_records(path: Path) -> Iterator[Record]:
    """Every record of a tick file, a few thousand in memory at a time."""
    with path.open("rb") as file:
        StreamHeader.unpack(file.read(HEADER.size))
        yield from _records(file)


def _records(file: BinaryIO) -> Iterator[Record]:
    while True:
        data = file.read(_READ_RECORDS * RECORD.size)
        if len(data) % RECORD.size:
            raise FormatError("the last record is cut short")
        if not data:
            return
        yield from RECORD.iter_unpack(data)


def encode_tick(record: Record, sent_ns: int) -> str:
    """The JSON text of one tick. `sent_ns` is the exchange's monotonic clock."""
    seq, ts, symbol, side, flags, qty, price = record
    return f'{{"s":"S{symbol:03d}","n":{seq},"t":{ts},"b":{side},"f":{flags},"q":{qty},"p":{price},"x":{sent_ns}}}'
