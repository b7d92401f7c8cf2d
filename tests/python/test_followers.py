"""What follows a buffer: objects of Python, and buffers of longer bars."""

import gc
import math
import pickle
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem
from m5mem import indicators as batch

np = pytest.importorskip("numpy")
MINUTE = 60 * 10**9


class Log:
    """An indicator of a user: it writes down what it is told."""

    def __init__(self):
        self.seen = []

    def update(self, *values):
        self.seen.append(values)

    def replace(self, *values):
        self.seen[-1] = values

    def reset(self):
        self.seen.clear()


class WholeBars:
    def __init__(self):
        self.seen = []

    def update(self, value):
        self.seen.append(value)


def test_an_object_of_python_is_an_indicator():
    buffer = m5mem.CandleBuffer(3)
    buffer.append(1, 4, 0, 2, 10)
    log = buffer.attach(Log())
    both = buffer.attach(Log(), ("high", "low"))
    assert log.seen == [(2.0,)] and both.seen == [(4.0, 0.0)]
    buffer.append(2, 5, 1, 3, 11)
    buffer.update_last(2, 6, 1, 4, 11)
    assert log.seen == [(2.0,), (4.0,)] and both.seen == [(4.0, 0.0), (6.0, 1.0)]
    assert buffer.indicators == [log, both]
    buffer.extend([[0, 1, 0, i, 1] for i in range(5)])
    assert [v for (v,) in log.seen[-5:]] == [0, 1, 2, 3, 4]
    buffer.detach(log)
    buffer.append(1, 1, 1, 1, 1)
    assert len(log.seen) == 7 and len(both.seen) == 8
    buffer.clear()
    assert both.seen == []
    with pytest.raises(ValueError, match="not attached"):
        buffer.detach(log)
    with pytest.raises(ValueError, match="already"):
        buffer.attach(both)
    with pytest.raises(TypeError, match="update"):
        buffer.attach(object())
    with pytest.raises(KeyError, match="no field"):
        buffer.attach(Log(), ("high", "bid"))


def test_open_bars_need_replace():
    buffer = m5mem.CandleBuffer(5, interval=60)
    with pytest.raises(TypeError, match="on='close'"):
        buffer.attach(WholeBars())
    whole = buffer.attach(WholeBars(), on="close")
    every = buffer.attach(Log())
    for ts, price in [(0, 1), (30, 2), (60, 3), (90, 4), (120, 5)]:
        buffer.push_tick(ts, price)
    assert whole.seen == [2, 4] and every.seen == [(2.0,), (4.0,), (5.0,)]
    plain = m5mem.CandleBuffer(5)
    deaf = plain.attach(WholeBars())
    plain.append(1, 1, 1, 1, 1)
    with pytest.raises(TypeError, match="replace"):
        plain.update_last(1, 1, 1, 2, 1)
    assert deaf.seen == [1] and plain.last() == 1, "nothing was changed"


def test_a_follower_may_read_and_write_the_buffer():
    class Reader(Log):
        def update(self, value):
            super().update(buffer.last(), buffer.window(2, "close").tolist(), len(buffer))
            if value == 3:
                buffer.append(0, 0, 0, 99, 0)

    buffer = m5mem.CandleBuffer(4)
    reader = buffer.attach(Reader())
    for close in (1, 2, 3):
        buffer.append(0, 0, 0, close, 0)
    assert reader.seen == [(1, [1], 1), (2, [1, 2], 2), (3, [2, 3], 3), (99, [3, 99], 4)]


def test_an_error_comes_out_and_the_candle_is_in():
    class Broken(Log):
        def update(self, value):
            raise ZeroDivisionError(value)

    buffer = m5mem.CandleBuffer(4)
    broken, log, sma = Broken(), Log(), m5mem.SMA(1)
    for follower in (broken, log, sma):
        buffer.attach(follower)
    with pytest.raises(ZeroDivisionError, match="7"):
        buffer.append(0, 0, 0, 7, 0)
    assert buffer.last() == 7 and log.seen == [(7.0,)] and sma.value == 7


def test_a_follower_that_holds_the_buffer_is_collected():
    class Holder(Log):
        pass

    buffer = m5mem.CandleBuffer(4)
    holder = buffer.attach(Holder())
    holder.buffer = buffer
    gone = weakref.ref(holder)
    del buffer, holder
    gc.collect()
    assert gone() is None


def reference(times, rows, ns):
    """Longer bars by definition."""
    out = {}
    for time, (o, h, lo, c, v) in zip(times, rows):
        bar = time // ns * ns
        if bar in out:
            old = out[bar]
            out[bar] = (old[0], max(old[1], h), min(old[2], lo), c, old[4] + v)
        else:
            out[bar] = (o, h, lo, c, v)
    return out


PRICE = st.floats(1, 100).map(lambda x: round(x, 2))
TICK = st.tuples(st.integers(0, 90), PRICE, st.integers(1, 9))


@settings(max_examples=80, deadline=None)
@given(st.lists(TICK, min_size=1, max_size=120), st.sampled_from(["skip", "fill"]), st.integers(2, 7))
def test_longer_bars_are_what_the_short_ones_make(ticks, gaps, times):
    buffer = m5mem.CandleBuffer(10_000, interval=60, time=True, gaps=gaps)
    coarse = buffer.resample(f"{times}min", 10_000)
    sma = coarse.attach(m5mem.SMA(3))
    closed = coarse.attach(WholeBars(), on="close")
    ts = 0
    for step, price, qty in ticks:
        ts += step
        buffer.push_tick(ts, price, qty)
        wanted = reference(buffer.times().tolist(), buffer.window().tolist(), times * MINUTE)
        assert coarse.times().tolist() == list(wanted)
        assert np.allclose(coarse.window(), list(wanted.values()), rtol=1e-12)
    closes = coarse.window(None, "close").copy()
    assert sma.value == pytest.approx(batch.sma(closes, 3)[-1], nan_ok=True)
    assert closed.seen == closes[:-1].tolist()


def test_a_chain_of_buffers():
    told = []
    minute = m5mem.CandleBuffer(500, interval="1min", time=True)
    five = minute.resample("5min", on_close=lambda buffer, bars: told.append((len(buffer), bars)))
    hour = five.resample("1h")
    log = hour.attach(Log(), ("open", "close", "volume"))
    for second in range(0, 2 * 3600 + 60, 20):
        minute.push_tick(second, 100 + second, 1)
    assert len(five) == 25 and len(hour) == 3
    assert len(told) == 24 and told[0] == (2, 1)
    assert hour.window().tolist()[0] == [100, 3680, 100, 3680, 180]
    assert log.seen == [(100, 3680, 180), (3700, 7280, 180), (7300, 7340, 3)]
    late = minute.resample("5min")
    assert late.window().tolist() == five.window().tolist()
    minute.clear()
    assert len(five) == len(hour) == 0 and log.seen == []
    minute.push_tick(10**6, 5, 1)
    assert len(hour) == 1


def test_whole_candles_and_other_fields():
    buffer = m5mem.CandleBuffer(
        50, ["open", "high", "low", "close", "taker_volume", "bid", "spread"], time=True
    )
    coarse = buffer.resample(5 * MINUTE, how={"spread": "max"})
    for i in range(7):
        buffer.append(i, i + 1, i - 1, i, 10, i * 2, 7 - i, time=i * MINUTE)
    buffer.update_last(6, 20, 5, 8, 11, 3, 1)
    assert coarse.window().tolist() == [[0, 5, -1, 4, 50, 8, 7], [5, 20, 4, 8, 21, 3, 2]]


def test_what_cannot_be_resampled():
    with pytest.raises(ValueError, match="time=True"):
        m5mem.CandleBuffer().resample("5min")
    buffer = m5mem.CandleBuffer(interval="1min", time=True)
    for bad in ("90s", "30s", "1min"):
        with pytest.raises(ValueError, match="multiple"):
            buffer.resample(bad)
    with pytest.raises(ValueError, match="how must be"):
        buffer.resample("5min", how={"close": "mean"})
    coarse = buffer.resample("5min")
    for act in (
        lambda: coarse.append(1, 1, 1, 1, 1, time=0),
        lambda: coarse.extend([[1] * 5], [0]),
        lambda: coarse.update_last(1, 1, 1, 1, 1),
        coarse.clear,
    ):
        with pytest.raises(ValueError, match="follows"):
            act()
    buffer.push_tick(0, 1.0)
    buffer.detach(coarse)
    coarse.append(1, 2, 3, 4, 5, time=300 * 10**9)
    assert len(coarse) == 2 and len(buffer) == 1
    assert len(pickle.loads(pickle.dumps(coarse))) == 2


def test_arrow_carries_the_time():
    pa = pytest.importorskip("pyarrow")
    buffer = m5mem.CandleBuffer(5, time=True)
    begin = 1_700_000_000 * 10**9
    for i in range(8):
        buffer.append(i, i, i, i, i, time=begin + i * MINUTE)
    for table in (pa.table(buffer), pa.Table.from_batches([pa.record_batch(buffer)])):
        assert table.schema.field("time").type == pa.timestamp("ns", tz="UTC")
        assert table.column("time").cast(pa.int64()).to_pylist() == buffer.times().tolist()
        assert table.column("close").to_pylist() == [3, 4, 5, 6, 7]
    assert pa.table(m5mem.CandleBuffer(5, ["time", "close"], time=True)).column_names == [
        "candle_time",
        "time",
        "close",
    ]
    pl = pytest.importorskip("polars")
    assert pl.DataFrame(buffer).schema["time"] == pl.Datetime("ns", "UTC")


def test_time_without_ticks_is_not_invented():
    assert math.isnan(m5mem.CandleBuffer(time=True).attach(m5mem.SMA(2)).value)
