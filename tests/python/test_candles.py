"""CandleBuffer against a deque of rows, its views under overwriting, and candles from ticks."""

import collections
import gc
import math
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import m5mem

np = pytest.importorskip("numpy")
NUMBER = st.floats(-1e6, 1e6)
ROW = st.tuples(*[NUMBER] * 3)


class Model(RuleBasedStateMachine):
    """Any order of changes and looks: rows as in a deque, and no view ever changes."""

    order = "C"

    def __init__(self):
        super().__init__()
        self.buffer = m5mem.CandleBuffer(7, fields=("a", "b", "c"), order=self.order)
        self.model = collections.deque(maxlen=7)
        self.views = []
        self.version = 0

    def changed(self, by=1):
        assert self.buffer.version == self.version + by
        self.version += by

    @rule(row=ROW)
    def append(self, row):
        self.buffer.append(*row)
        self.model.append(row)
        self.changed()

    @rule(rows=st.lists(ROW, min_size=1, max_size=40))
    def extend(self, rows):
        self.buffer.extend(np.array(rows))
        self.model.extend(rows)
        self.changed(len(rows))

    @precondition(lambda self: self.model)
    @rule(row=ROW)
    def update_last(self, row):
        self.buffer.update_last(*row)
        self.model[-1] = row
        self.changed()

    @rule()
    def clear(self):
        self.buffer.clear()
        self.model.clear()
        self.changed()

    @rule(n=st.integers(0, 9), field=st.sampled_from([None, "a", "c"]), native=st.booleans())
    def look(self, n, field, native):
        got = self.buffer.view(n, field) if native else self.buffer.window(n, field)
        rows = list(self.model)[-n:] if n else []
        expected = [list(r) for r in rows] if field is None else [r["abc".index(field)] for r in rows]
        assert got.tolist() == expected
        self.views.append((got, expected))

    @rule()
    def forget_views(self):
        self.views.clear()

    @invariant()
    def rows_agree(self):
        assert len(self.buffer) == len(self.model)
        assert self.buffer.window().tolist() == [list(r) for r in self.model]

    @invariant()
    def views_never_change(self):
        for got, expected in self.views:
            assert got.tolist() == expected


class ByField(Model):
    order = "F"


TestByRow = Model.TestCase
TestByField = ByField.TestCase
TestByRow.settings = TestByField.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_window_is_a_readonly_contiguous_view():
    buffer = m5mem.CandleBuffer()
    for i in range(1000):
        buffer.append(i, i + 2, i - 1, i + 1, 10)
        window = buffer.window(200)
        assert window.flags.c_contiguous and not window.flags.writeable and not window.flags.owndata
    assert window.shape == (200, 5) and window.dtype == np.float64
    with pytest.raises(ValueError):
        window[0, 0] = 1
    with pytest.raises(ValueError):
        window.flags.writeable = True
    again = buffer.window(100)
    assert np.shares_memory(window, again)
    assert buffer.nbytes == 256 * 5 * 8  # 1.28 times the candles

    columns = m5mem.CandleBuffer(order="F")
    columns.extend(np.asarray(buffer))
    close = columns.window(200, "close")
    assert close.flags.c_contiguous and close.tolist() == window[:, 3].tolist()
    assert (columns["close"] == close).all()


def test_a_view_outlives_its_buffer():
    buffer = m5mem.CandleBuffer(4, fields=["x"])
    buffer.extend([1, 2, 3])
    window, view = buffer.window(), buffer.view(2, "x")
    del buffer
    gc.collect()
    assert window.ravel().tolist() == [1, 2, 3] and view.tolist() == [2, 3]
    assert view.readonly and view.format == "d" and view.c_contiguous


def test_f4():
    buffer = m5mem.CandleBuffer(3, fields=["x", "y"], dtype="f4")
    buffer.append(0.1, 2)
    assert buffer.window().dtype == np.float32 and buffer.last("x") == np.float32(0.1)
    assert buffer.view().format == "f" and buffer.nbytes == buffer.window().itemsize * 2 * (3 + 16)


def test_extend_takes_arrays_rows_and_frames():
    rows = [[1.0, 2.0], [3.0, 4.0]]
    for data in (
        rows,
        np.array(rows),
        np.array(rows).astype("f4"),
        np.asfortranarray(rows),
        tuple(map(tuple, rows)),
    ):
        buffer = m5mem.CandleBuffer(5, fields=["x", "y"])
        assert buffer.extend(data) == 2 and buffer.window().tolist() == rows
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"y": [2.0, 4.0], "other": 0, "x": [1.0, 3.0]})
    buffer = m5mem.CandleBuffer(5, fields=["x", "y"])
    buffer.extend(frame)
    assert buffer.window().tolist() == rows
    back = buffer.to_pandas(1)
    assert back.to_dict("list") == {"x": [3.0], "y": [4.0]}
    back.loc[0, "x"] = 9.0  # a copy
    assert buffer.last("x") == 3.0
    for bad in ([[1.0]], np.zeros((2, 3)), np.zeros(4), [1.0], [["a", "b"]], 7):
        with pytest.raises((ValueError, TypeError)):
            buffer.extend(bad)
    assert buffer.window().tolist() == rows


def test_arrow():
    pa = pytest.importorskip("pyarrow")
    for order in "CF":
        buffer = m5mem.CandleBuffer(5, order=order)
        buffer.extend(np.arange(40.0).reshape(8, 5))
        expected = buffer.window().copy()
        batch, table, empty = pa.record_batch(buffer), pa.table(buffer), pa.table(m5mem.CandleBuffer(5))
        assert batch.schema.names == list(buffer.fields) and empty.num_rows == 0
        buffer.update_last(*[-1.0] * 5)
        buffer.extend(np.zeros((50, 5)))
        del buffer
        gc.collect()
        for got in (batch, table):
            assert (np.column_stack([got.column(i).to_numpy() for i in range(5)]) == expected).all()
    for capsule in m5mem.CandleBuffer().__arrow_c_array__(), [m5mem.CandleBuffer().__arrow_c_stream__()]:
        del capsule  # never consumed: freed all the same


def test_polars():
    pl = pytest.importorskip("polars")
    buffer = m5mem.CandleBuffer(5)
    buffer.extend(np.arange(25.0).reshape(5, 5))
    assert pl.DataFrame(buffer)["close"].to_list() == buffer["close"].tolist()


def test_bad_input():
    buffer = m5mem.CandleBuffer(3)
    for call, error in [
        (lambda: buffer.append(1, 2), TypeError),
        (lambda: buffer.append(1, 2, 3, 4, "x"), TypeError),
        (lambda: buffer.update_last(1, 2, 3, 4, 5), ValueError),
        (lambda: buffer.window(-1), ValueError),
        (lambda: buffer.window("x"), TypeError),
        (lambda: buffer.window(1, "nope"), KeyError),
        (lambda: buffer.window(1, 2), TypeError),
        (lambda: buffer.window(1, "close", 3), TypeError),
        (lambda: buffer["nope"], KeyError),
        (lambda: buffer.last(), IndexError),
        (lambda: buffer.push_tick(1, 2), ValueError),
        (lambda: m5mem.CandleBuffer(0), ValueError),
        (lambda: m5mem.CandleBuffer(5, fields=["a", "a"]), ValueError),
        (lambda: m5mem.CandleBuffer(5, fields=[]), ValueError),
        (lambda: m5mem.CandleBuffer(5, dtype="i4"), ValueError),
        (lambda: m5mem.CandleBuffer(5, order="K"), ValueError),
        (lambda: m5mem.CandleBuffer(5, interval=0), ValueError),
        (lambda: m5mem.CandleBuffer(5, interval=1, gaps="?"), ValueError),
        (lambda: m5mem.CandleBuffer(5, fields=["x"], interval=1), KeyError),
    ]:
        with pytest.raises(error):
            call()
    assert len(buffer) == 0 and buffer.version == 0


def test_attached_indicators_follow():
    buffer = m5mem.CandleBuffer(50)
    data = np.random.default_rng(1).random((120, 5))
    buffer.extend(data[:20])
    sma, vol = buffer.attach(m5mem.SMA(5)), buffer.attach(m5mem.SMA(5), "volume")
    atr, vwap = buffer.attach(m5mem.ATR(5)), buffer.attach(m5mem.RollingVWAP(5))
    for row in data[20:]:
        buffer.append(*[0.0] * 5)
        buffer.update_last(*row)
    indicators = m5mem.indicators
    near = {"abs": 1e-12}
    assert sma.value == pytest.approx(indicators.sma(data[:, 3], 5)[-1], **near)
    assert vol.value == pytest.approx(indicators.sma(data[:, 4], 5)[-1], **near)
    assert atr.value == pytest.approx(indicators.atr(data[:, 1], data[:, 2], data[:, 3], 5)[-1], **near)
    typical = (data[:, 1] + data[:, 2] + data[:, 3]) / 3
    assert vwap.value == pytest.approx(indicators.rolling_vwap(typical, data[:, 4], 5)[-1], abs=1e-12)
    assert buffer.indicators == [sma, vol, atr, vwap]
    with pytest.raises(ValueError, match="attached already"):
        m5mem.CandleBuffer().attach(sma)
    buffer.detach(sma)
    before = sma.value
    buffer.append(*[9.0] * 5)
    assert sma.value == before
    buffer.clear()
    assert math.isnan(atr.value) and not atr.ready


def bars(ticks, interval, fill):
    """The definition: group by interval; open and close by time; late bars dropped."""
    out, late = [], 0
    for ts, price, qty in ticks:
        start = ts // interval
        if out and start < out[-1]["start"]:
            late += 1
            continue
        if out and start == out[-1]["start"]:
            bar = out[-1]
            bar["high"], bar["low"] = max(bar["high"], price), min(bar["low"], price)
            bar["volume"] += qty
            if ts >= bar["last"]:
                bar["last"], bar["close"] = ts, price
            elif ts < bar["first"]:
                bar["first"], bar["open"] = ts, price
            continue
        if out and fill:
            c = out[-1]["close"]
            for gap in range(out[-1]["start"] + 1, start):
                out.append(dict(start=gap, open=c, high=c, low=c, close=c, volume=0, first=0, last=0))
        out.append(
            dict(start=start, open=price, high=price, low=price, close=price, volume=qty, first=ts, last=ts)
        )
    return out, late


TICKS = st.lists(st.tuples(st.integers(-100, 300), st.integers(1, 1000), st.integers(0, 10)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(TICKS, st.sampled_from([1, 7, 60]), st.booleans(), st.sampled_from([int, float]))
def test_bars_by_definition(ticks, interval, fill, number):
    fields = ("ts", "open", "high", "low", "close", "volume")
    buffer = m5mem.CandleBuffer(500, fields, interval=number(interval), gaps="fill" if fill else "skip")
    final = buffer.attach(m5mem.SMA(2), on="close")
    live = buffer.attach(m5mem.SMA(2))
    closed = sum(buffer.push_tick(number(ts), p / 64, q) for ts, p, q in ticks)
    expected, late = bars([(t, p / 64, q) for t, p, q in ticks], interval, fill)
    rows = [
        [b["start"] * interval, b["open"], b["high"], b["low"], b["close"], b["volume"]] for b in expected
    ]
    assert buffer.window().tolist() == rows
    assert buffer.late_ticks == late and closed == max(0, len(rows) - 1)
    closes = [b["close"] for b in expected]
    for indicator, seen in ((live, closes), (final, closes[:-1])):
        assert indicator.ready == (len(seen) >= 2)
        if len(seen) >= 2:
            assert indicator.value == sum(seen[-2:]) / 2


def test_ticks_in_nanoseconds_are_exact():
    buffer = m5mem.CandleBuffer(5, interval=1_000_000_000)
    start = 1_700_000_000_000_000_000
    assert buffer.push_tick(start - 1, 1.0, 1) == 0  # the last nanosecond of the bar before
    assert buffer.push_tick(start, 2.0, 1) == 1
    assert buffer.push_tick(start + 999_999_999, 3.0, 1) == 0
    assert buffer.window(1).tolist() == [[2.0, 3.0, 2.0, 3.0, 2.0]]


def test_hostile_ticks():
    buffer = m5mem.CandleBuffer(5, interval=1.0, gaps="fill")
    for ts, price, qty in [
        (math.nan, 1, 1),
        (math.inf, 1, 1),
        (1, math.nan, 1),
        (1, 1, math.inf),
        (1 << 80, 1, 1),
    ]:
        assert buffer.push_tick(ts, price, qty) == 0
    assert buffer.rejected_ticks == 5 and len(buffer) == 0 and buffer.bar_start is None
    buffer.push_tick(0.5, 10.0, 1)
    assert buffer.push_tick(1e12, 20.0, 1) == 10**12  # a clock gone wrong: bounded work, the gap is counted
    assert len(buffer) == 5 and buffer.gap_bars == 10**12 - 1
    with pytest.raises(ValueError, match="open"):
        buffer.update_last(1, 1, 1, 1, 1)
    with pytest.raises(TypeError):
        buffer.push_tick("x", 1, 1)
    buffer.append(1, 1, 1, 1, 1)
    buffer.update_last(2, 2, 2, 2, 2)
    assert buffer.last() == 2


def test_threads():
    buffer, done = m5mem.CandleBuffer(64, fields=["x", "y"]), threading.Event()
    sma, bad = buffer.attach(m5mem.SMA(3), "x"), []

    def read():
        while not done.is_set():
            window = buffer.window(50)
            if len(window) and not (window[:, 0] == -window[:, 1]).all():
                bad.append(window.copy())

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for i in range(20_000):
        buffer.append(i, -i)
        buffer.update_last(i + 1, -i - 1)
    done.set()
    for thread in readers:
        thread.join()
    assert not bad and buffer.version == 40_000 and sma.value == 19_999.0


@pytest.mark.parametrize("hold", [False, True])
def test_no_growth(hold):
    """10⁶ operations: blocks flat. CPython counts its own blocks exactly."""
    buffer = m5mem.CandleBuffer(200, interval=1)
    buffer.attach(m5mem.SMA(20))
    kept = None

    def work(times):
        nonlocal kept
        for i in range(times):
            buffer.append(1, 2, 3, 4, 5)
            buffer.update_last(1, 2, 3, 4, i)
            buffer.push_tick(i, 1.0, 1)
            window = buffer.window(200)
            buffer.view(10, "close")
            if hold:
                kept = window

    work(2000)
    gc.collect()
    before = sys.getallocatedblocks()
    work(200_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 50
