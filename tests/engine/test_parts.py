"""The small parts: stream files, durations, the histogram, the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from trading_engine import cli, ticks, wire
from trading_engine.latency import Histogram
from trading_engine.progress import EventClock
from trading_engine.units import duration

SPEC = ticks.StreamSpec(seed=3, symbols=5, rate=200.0, seconds=3.0, burst=0.5)


def test_a_file_holds_the_records_and_says_what_they_are(tmp_path: Path):
    path = tmp_path / "ticks.bin"
    count = ticks.write_file(path, SPEC)
    header = wire.read_header(path)
    assert (header.seed, header.symbols, header.count) == (3, 5, count)
    records = list(wire.read_records(path))
    assert records == list(ticks.records(SPEC))
    assert [r[0] for r in records] == list(range(1, count + 1))
    assert all(a[1] <= b[1] for a, b in zip(records, records[1:]))
    assert all(r[6] * 64 == int(r[6] * 64) > 0 for r in records)


def test_the_wire_says_what_the_record_says():
    record = next(ticks.records(SPEC))
    text = json.loads(wire.encode_tick(record, 5))
    assert [text[k] for k in "ntbfqp"] == [record[i] for i in (0, 1, 3, 4, 5, 6)]
    assert text["s"] == wire.symbol_name(record[2])
    assert text["x"] == 5


@pytest.mark.parametrize("damage", [b"", b"short", b"X" * 64])
def test_what_is_no_tick_file_is_refused(tmp_path: Path, damage: bytes):
    path = tmp_path / "bad.bin"
    path.write_bytes(damage)
    with pytest.raises(wire.FormatError):
        list(wire.read_records(path))


def test_a_cut_file_is_noticed(tmp_path: Path):
    path = tmp_path / "cut.bin"
    ticks.write_file(path, SPEC)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(wire.FormatError, match="cut short"):
        list(wire.read_records(path))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30s", 30), ("5m", 300), ("24h", 86400)])
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "0", "nan", "inf", "5x", "s"])
def test_bad_durations(text):
    with pytest.raises(ValueError):
        duration(text)


def test_the_histogram_is_right_within_its_width():
    generator = random.Random(1)
    values = sorted(int(generator.lognormvariate(12, 2)) for _ in range(20_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for q in (0.01, 0.5, 0.95, 0.99, 0.999, 1.0):
        truth = values[max(0, int(q * len(values) + 0.999999) - 1)]
        assert truth <= histogram.quantile(q) <= truth * 1.035 + 1
    assert histogram.max == values[-1]
    assert histogram.total == sum(values)
    assert Histogram().quantile(0.5) is None


@pytest.mark.parametrize(
    "words",
    [
        ["--symbols", "0"],
        ["--connections", "99"],
        ["--offline"],
        ["--offline", "--duration", "1", "--leak", "connection"],
        ["--rate", "0"],
        ["--source", "/no/such/file"],
        ["--source", "/etc/passwd"],
        ["--exchange", "nonsense"],
    ],
)
def test_wrong_usage_is_said_plainly(words, capsys):
    assert cli.main(words) == 2
    assert "trading_engine: " in capsys.readouterr().err


def test_the_event_clock_is_one_number(tmp_path: Path):
    path = tmp_path / "clock"
    clock = EventClock(path)
    clock.tell(0)
    assert path.read_text() == ""
    for now, told in [(5_000_000_000, 0.0), (3_605_000_000_000, 3600.0), (3_605_250_000_000, 3600.25)]:
        clock.tell(now)
        assert float(path.read_text()) == told
    clock.close()
