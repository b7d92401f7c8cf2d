"""Bars from ticks that are not as they should be; time axes; saving and restoring; buffers as sequences."""

import copy
import datetime as dt
import gc
import math
import pickle
import warnings
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem
from m5mem import SMA, CandleBuffer

UTC = dt.timezone.utc
DAY = 1_700_000_000


@pytest.mark.parametrize("interval", [0.1, 0.3, 0.7, 1 / 3, 0.025, 1e-3, 60.0, 1.1])
@pytest.mark.parametrize("start", [0, 17_000_000, 17_000_000_000])
def test_each_tick_at_a_beginning_opens_a_bar(interval, start):
    buffer = CandleBuffer(1200, interval=interval)
    closed = sum(buffer.push_tick((start + i) * interval, 1.0 + i) for i in range(1000))
    assert len(buffer) == 1000 and closed == 999 and buffer.gap_bars == 0 and buffer.late_ticks == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=50),
    st.sampled_from(["100ms", "1s", "250 ms", "1min"]),
)
def test_any_interval_as_in_whole_nanoseconds(offsets, interval):
    """Milliseconds since 1970 as floats of seconds: the bars are those of the same times as integers."""
    times = sorted(DAY * 1000 + o for o in offsets)
    exact = CandleBuffer(100, interval=interval, unit="ns", time=True)
    seconds = CandleBuffer(100, interval=interval, time=True)
    moments = CandleBuffer(100, interval=interval, time=True)
    for t in times:
        exact.push_tick(t * 10**6, 1.0)
        seconds.push_tick(t / 1000, 1.0)
        moments.push_tick(
            dt.datetime.fromtimestamp(t // 1000, UTC) + dt.timedelta(milliseconds=t % 1000), 1.0
        )
    for other in (seconds, moments):
        assert len(other) == len(exact)
        assert other.state()["times"] == exact.state()["times"]


def test_intervals_as_people_write_them():
    pandas = pytest.importorskip("pandas")
    for interval in ("1min", "60s", "60000ms", "1m", dt.timedelta(minutes=1), pandas.Timedelta("1min"), 60):
        buffer = CandleBuffer(5, interval=interval)
        buffer.push_tick(59.0, 1.0)
        assert buffer.push_tick(60.0, 1.0) == 1
    for wrong in ("1 fortnight", "", "-1s", "0.1ns", object(), 0, -1, math.nan):
        with pytest.raises((ValueError, TypeError)):
            CandleBuffer(5, interval=wrong)
    with pytest.raises(ValueError, match="unit"):
        CandleBuffer(5, interval=1, unit="fortnight")


def test_times_of_all_kinds(np):
    pandas = pytest.importorskip("pandas")
    ns = DAY * 10**9 + 500
    zone = dt.timezone(dt.timedelta(hours=8))
    for stamp in (
        dt.datetime.fromtimestamp(DAY, UTC),
        dt.datetime.fromtimestamp(DAY, zone),
        dt.datetime.fromtimestamp(DAY, UTC).replace(tzinfo=None),
        pandas.Timestamp(ns, tz="UTC"),
        pandas.Timestamp(ns, tz="Asia/Shanghai"),
        np.datetime64(ns, "ns"),
        np.float64(DAY),
        np.int64(DAY),
    ):
        buffer = CandleBuffer(5, interval="100s", time=True)
        buffer.push_tick(stamp, 1.0)
        assert buffer.times().tolist() == [DAY // 100 * 100 * 10**9], stamp
    for wrong in ("2020", None, pandas.NaT, np.datetime64("NaT")):
        with pytest.raises((TypeError, ValueError)):
            buffer.push_tick(wrong, 1.0)
    assert buffer.rejected_ticks == 0 and buffer.push_tick(ts=DAY + 1, price=2.0, qty=3.0) == 0
    assert buffer[-1].close == 2.0 and buffer[-1].volume == 3.0


def test_bad_ticks_are_counted_by_reason():
    buffer = CandleBuffer(5, interval=60)
    for tick in [
        (DAY, 100, 1),
        (DAY, 0, 1),
        (DAY, -5, 1),
        (DAY, 100, -3),
        (DAY, math.nan, 1),
        (DAY * 1000, 101, 1),
    ]:
        buffer.push_tick(*tick)
    assert buffer.bad_ticks == {"not_finite": 1, "price": 2, "quantity": 1, "unit": 1, "future": 0}
    assert buffer.rejected_ticks == 5 and buffer[-1][:4] == (100, 100, 100, 100) and buffer[-1].volume == 1
    buffer.push_tick(DAY + 59, 102.0)  # goes on
    assert buffer.last() == 102.0
    spreads = CandleBuffer(5, interval=60, prices="any")
    spreads.push_tick(0, 1.0), spreads.push_tick(1, -37.63), spreads.push_tick(2, 0.0)
    assert spreads[-1][:4] == (1.0, 1.0, -37.63, 0.0)


def test_on_bad():
    raising = CandleBuffer(5, interval=60, on_bad="raise")
    raising.push_tick(DAY, 1.0)
    for tick, word in [((DAY, 0.0), "price"), ((DAY * 10**3, 1.0), "unit"), ((DAY, 1.0, -1.0), "quantity")]:
        with pytest.raises(ValueError, match=word):
            raising.push_tick(*tick)
    assert len(raising) == 1
    warning = CandleBuffer(5, interval=60, on_bad="warn")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(5):
            warning.push_tick(DAY, 0.0)
            warning.push_tick(DAY, math.inf)
    assert len(seen) == 2 and all(w.category is RuntimeWarning for w in seen)


def test_one_tick_of_the_future_does_not_silence_a_buffer():
    buffer = CandleBuffer(50, interval=60, max_gap="1h")
    buffer.push_tick(DAY, 1.0)
    buffer.push_tick(DAY + 86400 * 365, 99.0)
    for i in range(10):
        buffer.push_tick(DAY + 60 * i, 2.0 + i)
    assert buffer.bad_ticks["future"] == 1 and buffer.late_ticks == 0 and buffer[-1].high == 11.0
    # A real gap, as over a week-end: the next tick confirms it, and none is lost.
    monday = DAY + 86400 * 3
    assert buffer.push_tick(monday, 50.0) == 0
    assert buffer.push_tick(monday + 1, 51.0) == 1
    assert buffer[-1][:4] == (50.0, 51.0, 50.0, 51.0) and buffer.bad_ticks["future"] == 1
    # Rare ticks, each of them after a gap, are all taken as well.
    rare = CandleBuffer(50, interval=1, max_gap=10)
    for i in range(21):
        rare.push_tick(1000 * i, 1.0 + i)
    assert len(rare) == 21 or (len(rare) == 20 and rare.bad_ticks["future"] == 1)


def test_time_axis(np):
    buffer = CandleBuffer(4, ["close"], time=True)
    for i in range(6):
        buffer.append(float(i), time=DAY * 10**9 + i)
    assert buffer.times().dtype == np.int64 and buffer.times().tolist() == [
        DAY * 10**9 + i for i in range(2, 6)
    ]
    assert (
        buffer["time"].tolist() == buffer.times().tolist()
        and buffer.times(2).tolist() == buffer.times()[-2:].tolist()
    )
    held = buffer.times()
    before = held.tolist()
    for _ in range(100):
        buffer.append(close=0.0, time=dt.datetime(2020, 1, 1, tzinfo=UTC))
    assert held.tolist() == before and not held.flags.writeable
    with pytest.raises(ValueError, match="give time"):
        buffer.append(1.0)
    with pytest.raises(ValueError, match="no time axis"):
        CandleBuffer(4, ["close"]).append(1.0, time=5)
    with pytest.raises(ValueError, match="time=True"):
        CandleBuffer(4).times()
    buffer.clear()
    assert len(buffer.times()) == 0
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"close": [1.0, 2.0]}, index=pandas.to_datetime(["2024-01-01", "2024-01-02"], utc=True)
    )
    assert buffer.extend(frame) == 2
    assert (buffer.to_pandas().index == frame.index).all() and buffer.to_pandas().index.name == "time"
    assert buffer.extend([[3.0]], times=[dt.datetime(2024, 1, 3)]) == 1
    with pytest.raises(ValueError, match="1 rows, but 2 times"):
        buffer.extend([[3.0]], times=[1, 2])
    with pytest.raises(ValueError, match="give times"):
        buffer.extend([[3.0]])
    ticks = CandleBuffer(10, interval="1min", gaps="fill", time=True)
    for second in (0, 61, 300):
        ticks.push_tick(DAY // 60 * 60 + second, 1.0)
    assert np.diff(ticks.times()).tolist() == [60 * 10**9] * 5


def test_keywords():
    buffer = CandleBuffer(5)
    buffer.append(1.0, 2.0, 0.5, close=1.5, volume=9.0)
    buffer.append(volume=1, close=2, low=3, high=4, open=5)
    assert buffer.window().tolist() == [[1.0, 2.0, 0.5, 1.5, 9.0], [5, 4, 3, 2, 1]]
    buffer.update_last(5, 4, 3, 2, volume=7)
    assert buffer[-1] == (5, 4, 3, 2, 7)
    for args, names in [
        ((1, 2), {}),
        ((1,) * 5, {"open": 1}),
        ((1,) * 4, {"vol": 1}),
        ((1,) * 6, {}),
        ((), {}),
    ]:
        with pytest.raises(TypeError):
            buffer.append(*args, **names)
    assert len(buffer) == 2
    ticks = CandleBuffer(5, interval=1)
    for args, names in [((1,), {}), ((1, 2, 3, 4), {}), ((1, 2), {"ts": 1}), ((1, 2), {"x": 1})]:
        with pytest.raises(TypeError):
            ticks.push_tick(*args, **names)


def test_as_a_sequence(np):
    buffer = CandleBuffer(3, ["close", "class"])
    for i in range(5):
        buffer.append(i, -i)
    assert [tuple(c) for c in buffer] == [(2, -2), (3, -3), (4, -4)] and buffer[-1].close == 4
    assert buffer[0] == (2, -2) and buffer[-3] == buffer[0] and buffer[-2:].tolist() == [[3, -3], [4, -4]]
    for place in (3, -4, 10**18):
        with pytest.raises(IndexError):
            buffer[place]
    with pytest.raises(KeyError):
        buffer["nope"]
    with pytest.raises(TypeError):
        buffer[1.5]


def test_on_close():
    seen = []
    buffer = CandleBuffer(10, interval=60, on_close=lambda b, n: seen.append((len(b), n, b.last(back=1))))
    for second, price in [(0, 1.0), (30, 2.0), (60, 3.0), (300, 4.0)]:
        buffer.push_tick(second, price)
    assert seen == [(2, 1, 2.0), (3, 1, 3.0)]

    def failing(b, n):
        raise RuntimeError("mine")

    buffer.on_close = failing
    with pytest.raises(RuntimeError, match="mine"):
        buffer.push_tick(360, 5.0)
    assert buffer.last() == 5.0  # the tick is in all the same
    buffer.on_close = None
    assert buffer.on_close is None and buffer.push_tick(420, 5.0) == 1

    class Engine:
        def __init__(self):
            self.buffer = CandleBuffer(5, interval=1, on_close=self.closed)

        def closed(self, b, n):
            b.append(*[1.0] * 5)

    engine = Engine()
    engine.buffer.push_tick(1, 1.0), engine.buffer.push_tick(2, 1.0)  # a callback may change the buffer
    ref = weakref.ref(engine)
    del engine
    gc.collect()
    assert ref() is None
    with pytest.raises(TypeError):
        CandleBuffer(5, on_close=1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 100), st.integers(0, 9)), max_size=80),
    st.booleans(),
    st.sampled_from(["f8", "f4"]),
    st.sampled_from(["C", "F"]),
    st.integers(0, 80),
)
def test_saved_and_restored(ticks, fill, dtype, order, at):
    options = dict(
        interval="1min", gaps="fill" if fill else "skip", dtype=dtype, order=order, time=True, max_gap="20min"
    )
    whole = CandleBuffer(20, **options)
    live = CandleBuffer(20, **options)
    for number, (ts, price, qty) in enumerate(ticks):
        whole.push_tick(ts, price, qty)
        live.push_tick(ts, price, qty)
        if number == at:
            live = pickle.loads(pickle.dumps(live))
    if at >= len(ticks):
        live = copy.deepcopy(live)
    a, b = whole.state(), live.state()
    assert a["rows"] == b["rows"] and a["times"] == b["times"] and a["open"] == b["open"]
    assert len(live) == len(whole) and live.bar_start == whole.bar_start and live.fields == whole.fields


def test_restored_buffers_feed_what_is_attached_again():
    buffer = CandleBuffer(10, ["close"])
    sma = buffer.attach(SMA(3))
    for i in range(10):
        buffer.append(float(i))
    again = CandleBuffer.from_state(buffer.state())
    assert again.attach(SMA(3)).value == sma.value and repr(again).startswith("<m5mem.CandleBuffer 10/10")
    for broken in ({}, {**buffer.state(), "rows": b"1234567"}, {**buffer.state(), "format": 99}):
        with pytest.raises(ValueError):
            CandleBuffer.from_state(broken)


def test_a_held_window_costs_its_own_size(np):
    buffer = CandleBuffer(10_000, interval=1)
    for i in range(10_000):
        buffer.push_tick(i, 1.0 + i)
    short = buffer.window(5, "close")
    assert short.base.__sizeof__() < 1000 or not np.shares_memory(short, buffer.window())
    before = short.tolist()
    buffer.push_tick(9_999, 5.0)
    assert short.tolist() == before and buffer.window(5, "close")[-1] == 5.0
    assert buffer.window(5).tolist() == buffer.window()[-5:].tolist()
    assert m5mem.sizeof(buffer) > 10_000 * 40
