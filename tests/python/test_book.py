"""Bars of many symbols: each symbol as a buffer of its own would have it, and windows that never change."""

import copy
import gc
import math
import pickle
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem

np = pytest.importorskip("numpy")
SYMBOLS = ["BTC", "ETH", "SOL"]
MINUTE = 60 * 10**9


def test_windows_of_fields_and_symbols():
    book = m5mem.CandleBook(SYMBOLS, 4)
    data = np.arange(7 * 3 * 5, dtype=float).reshape(7, 3, 5)
    for i, bar in enumerate(data):
        book.append(i * MINUTE, bar)
    assert len(book) == 4 and book.times().tolist() == [i * MINUTE for i in range(3, 7)]
    for f, field in enumerate(book.fields):
        assert (book.window(None, field) == data[-4:, :, f]).all()
        assert (book.window(2, field) == data[-2:, :, f]).all()
        for s, symbol in enumerate(SYMBOLS):
            assert (book.window(3, field, symbol) == data[-3:, s, f]).all()
            assert (book.window(symbol=symbol) == data[-4:, s]).all()
            assert book.last(symbol, field, 1) == data[-2, s, f]
    frame = pytest.importorskip("pandas") and book.to_pandas("high", 2)
    assert list(frame.columns) == SYMBOLS and frame["ETH"].tolist() == data[-2:, 1, 1].tolist()
    assert str(frame.index.tz) == "UTC" and frame.index.name == "time"


def test_a_window_never_changes():
    book = m5mem.CandleBook(SYMBOLS, 8, interval=60)
    for i in range(40):
        for j, symbol in enumerate(SYMBOLS):
            book.push_tick(symbol, i * 30, 1 + i + j, 1)
    whole, closed = book.window(None, "close"), book.window(None, "close", closed=True)
    column = book.window(None, "close", "ETH", closed=True)
    before = [a.copy() for a in (whole, closed, column)]
    assert len(closed) == len(whole) - 1 and (whole[:-1] == closed).all()
    with pytest.raises(ValueError, match="read-only"):
        closed[0] = 1
    for i in range(40, 400):
        for symbol in SYMBOLS:
            book.push_tick(symbol, i * 30, 1000 + i, 1)
    assert all((a == b).all() for a, b in zip((whole, closed, column), before))


def test_closed_windows_cost_no_copy():
    book = m5mem.CandleBook([f"S{i}" for i in range(50)], 100, interval=1)
    for t in range(100):
        book.push_tick("S1", t, 5.0)
    window = book.window(None, "close", closed=True)
    at = window.__array_interface__["data"][0]
    for _ in range(100):
        book.push_tick("S2", 99.5, 6.0)
    assert book.window(None, "close", closed=True).__array_interface__["data"][0] == at


TICK = st.tuples(
    st.sampled_from(SYMBOLS),
    st.integers(0, 150),
    st.floats(1, 100).map(lambda x: round(x, 2)),
    st.integers(0, 5),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(TICK, min_size=1, max_size=80), st.sampled_from(["last", "nan"]))
def test_each_symbol_as_by_definition(ticks, fill):
    book = m5mem.CandleBook(SYMBOLS, 1000, interval=60, fill=fill)
    bars, ts = {}, 0
    for symbol, step, price, qty in ticks:
        ts += step
        book.push_tick(symbol, ts, price, qty)
        o, h, lo, _, v = bars.setdefault(ts // 60, {}).get(symbol, (price, price, price, price, 0))
        bars[ts // 60][symbol] = (o, max(h, price), min(lo, price), price, v + qty)
    first, last = min(bars), max(bars)
    begins = [b for b in range(first, last + 1) if fill == "last" or b in bars]
    assert book.times().tolist() == [b * MINUTE for b in begins]
    assert book.gap_bars == last - first + 1 - len(bars)
    for symbol in SYMBOLS:
        close, wanted = math.nan, []
        for b in begins:
            bar = bars.get(b, {}).get(symbol)
            if bar is None:
                flat = (close,) * 4 + (0.0 if close == close else math.nan,)
                bar = flat if fill == "last" else (math.nan,) * 5
            close = bar[3] if fill == "last" or bar[3] == bar[3] else close
            wanted.append(bar)
        np.testing.assert_array_equal(book.window(symbol=symbol), np.array(wanted, dtype=float))


def test_late_and_bad_ticks():
    book = m5mem.CandleBook(SYMBOLS, interval="1min", unit="ms")
    assert book.push_tick("BTC", 1_700_000_040_000, 5.0, 1) == 0
    assert book.push_tick("ETH", 1_700_000_100_000, 7.0, 1) == 1
    assert book.push_tick("BTC", 1_700_000_050_000, 99.0, 1) == 0 and book.late_ticks == 1
    for ts, price, qty in [
        (1_700_000_101_000, math.nan, 1),
        (1_700_000_101_000, 0, 1),
        (1_700_000_101_000, 5, -1),
        (1_700_000_101, 5, 1),
    ]:
        book.push_tick("BTC", ts, price, qty)
    assert book.bad_ticks == {"not_finite": 1, "price": 1, "quantity": 1, "unit": 1, "future": 0}
    assert book.window(symbol="BTC").tolist() == [[5, 5, 5, 5, 1], [5, 5, 5, 5, 0]]
    assert np.isnan(book.window(symbol="ETH")[0]).all()


def test_bars_by_name():
    book = m5mem.CandleBook(SYMBOLS, 5)
    book.append(0, {"BTC": (1, 2, 0, 1.5, 10), "SOL": [3, 3, 3, 3, 1]})
    book.append(MINUTE, {"ETH": (7, 7, 7, 7, 7)})
    assert book.window(None, "close").tolist()[1] == [1.5, 7, 3]
    assert book.window(1, "volume").tolist() == [[0, 7, 0]]
    assert np.isnan(book.last("ETH", "close", 1))
    with pytest.raises(KeyError, match="DOGE"):
        book.append(0, {"DOGE": (1,) * 5})
    with pytest.raises(ValueError, match="5 number"):
        book.append(0, {"BTC": (1, 2)})
    with pytest.raises(ValueError, match="3 candles"):
        book.append(0, [(1,) * 5])
    assert len(book) == 2, "nothing of what was wrong is in"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.integers(0, 3000),
            st.one_of(st.integers(-1, 100), st.just(math.nan)),
            st.integers(0, 9),
        ),
        max_size=80,
    ),
    st.sampled_from(["last", "nan"]),
    st.sampled_from(["f8", "f4"]),
    st.integers(0, 80),
)
def test_saved_and_restored(ticks, fill, dtype, at):
    def make():
        return m5mem.CandleBook(SYMBOLS, 20, dtype=dtype, interval="1min", fill=fill, max_gap="20min")

    whole, live = make(), make()
    for number, tick in enumerate(ticks):
        assert whole.push_tick(*tick) == live.push_tick(*tick)
        if number == at:
            live = pickle.loads(pickle.dumps(live))
    if at >= len(ticks):
        live = copy.deepcopy(live)
    a, b = whole.state(), live.state()
    assert repr(a) == repr(b)
    assert live.bad_ticks == whole.bad_ticks and live.late_ticks == whole.late_ticks
    for symbol in SYMBOLS:
        np.testing.assert_array_equal(live.window(symbol=symbol), whole.window(symbol=symbol))
    assert live.times().tolist() == whole.times().tolist() and live.symbols == whole.symbols


def test_states_that_are_none():
    book = m5mem.CandleBook(SYMBOLS, 5, interval=60)
    book.push_tick("ETH", 0, 1.0)
    good = book.state()
    assert m5mem.CandleBook.from_state(good).last("ETH") == 1.0
    for broken in (
        {},
        {**good, "rows": b"1234567"},
        {**good, "format": 99},
        {**good, "open": [None]},
        {**good, "counts": (0, 0, 7)},
        {**good, "times": b""},
    ):
        with pytest.raises(ValueError):
            m5mem.CandleBook.from_state(broken)
    with pytest.raises(ValueError, match="CandleBuffer"):
        m5mem.CandleBuffer.from_state({})


def test_one_tick_of_the_future_does_not_close_the_bars_of_all():
    book = m5mem.CandleBook(SYMBOLS, 50, interval=60, max_gap=3600)
    book.push_tick("BTC", 0, 1.0)
    assert book.push_tick("ETH", 10**6, 2.0) == 0 and book.bad_ticks["future"] == 1
    assert book.push_tick("BTC", 61, 3.0) == 1 and len(book) == 2
    # Two that say the same are believed: the first, of its symbol, is taken too.
    book = pickle.loads(pickle.dumps(book))
    assert book.push_tick("ETH", 10**6, 2.0) == 0
    assert book.push_tick("SOL", 10**6 + 1, 4.0) > 0
    assert book.last("ETH") == 2.0 and book.last("SOL") == 4.0 and book.bad_ticks["future"] == 1


def test_on_bad():
    loud = m5mem.CandleBook(SYMBOLS, interval=60, on_bad="raise")
    with pytest.raises(ValueError, match="price is 0"):
        loud.push_tick("BTC", 0, 0.0)
    wary = m5mem.CandleBook(SYMBOLS, interval=60, on_bad="warn")
    with pytest.warns(RuntimeWarning, match="quantity") as told:
        wary.push_tick("BTC", 0, 1.0, -1)
        wary.push_tick("BTC", 0, 1.0, -1)
    assert len(told) == 1 and wary.bad_ticks["quantity"] == 2
    with pytest.raises(ValueError, match="on_bad"):
        m5mem.CandleBook(SYMBOLS, on_bad="perhaps")


def test_wrong_use():
    with pytest.raises(ValueError, match="distinct"):
        m5mem.CandleBook(["A", "A"])
    with pytest.raises(ValueError, match="distinct"):
        m5mem.CandleBook([])
    with pytest.raises(ValueError, match="open, high"):
        m5mem.CandleBook(["A"], fields=["bid"], interval=1)
    book = m5mem.CandleBook(["A"])
    with pytest.raises(TypeError, match="a field, a symbol"):
        book.window(5)
    with pytest.raises(ValueError, match="interval="):
        book.push_tick("A", 0, 1.0)
    with pytest.raises(IndexError):
        book.last("A")


def test_a_cached_function_sees_its_changes():
    book = m5mem.CandleBook(SYMBOLS, interval=60)
    calls = []

    @m5mem.cached
    def spread(book):
        calls.append(1)
        return float(np.ptp(book.window(1, "close")))

    for symbol, price in zip(SYMBOLS, (1.0, 2.0, 3.0)):
        book.push_tick(symbol, 0, price)
    assert spread(book) == 2.0 == spread(book) and len(calls) == 1
    book.push_tick("SOL", 10, 9.0)
    assert spread(book) == 8.0 and len(calls) == 2


def test_memory_is_bounded():
    book = m5mem.CandleBook([f"S{i}" for i in range(100)], 60, interval=1)
    size = book.nbytes
    assert sys.getsizeof(book) >= size
    gc.collect()
    for t in range(2000):
        book.push_tick("S1", t, 1.0)
        book.window(10, "close")
    assert book.nbytes == size <= 100 * 5 * 8 * 60 * 1.5 + 8 * 60 * 2
