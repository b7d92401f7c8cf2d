"""One buffer, book or indicator in eight threads: every change is whole, and a window never changes."""

import random
import threading

import pytest
from parallel import THREADS, together

import m5mem

ROWS = 3000
np = pytest.importorskip("numpy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("writers", [1, 4])
def test_readers_see_whole_candles(order, writers):
    buffer = m5mem.CandleBuffer(200, fields=["a", "b", "c"], order=order, time=True)
    sma = buffer.attach(m5mem.SMA(1), "b")
    left = threading.Semaphore(0)
    done = threading.Event()

    def write(number):
        for n in range(ROWS):
            x = float(number * ROWS + n)
            buffer.append(x, x, x, time=int(x))
            if n % 7 == 0 and writers == 1:
                buffer.update_last(x, x, x)
        left.release()
        if number == 0:
            for _ in range(writers):
                left.acquire()
            done.set()

    def read(number):
        chance, kept = random.Random(number), []
        while not done.is_set():
            window = buffer.window(chance.choice([None, 5, 150]))
            assert (window == window[:, :1]).all()
            if writers == 1 and len(window):
                assert (np.diff(window[:, 0]) == 1).all()
            kept.append((window, window.copy()))
            if len(kept) > 20:
                view, was = kept.pop(chance.randrange(20))
                assert (view == was).all()
            for candle in list(buffer)[-3:] if number % 2 else [buffer[-1]] if len(buffer) else []:
                assert candle.a == candle.b == candle.c
            state = buffer.state()
            assert len(state["rows"]) == 3 * len(state["times"])
            column = np.asarray(buffer.view(None, "b"))
            assert len(column) <= 200

    together(lambda number: write(number) if number < writers else read(number))
    assert len(buffer) == 200
    rows, times = buffer.window(), buffer.times()
    assert (rows[:, 0] == times).all() and sma.value == rows[-1, 1]


def test_frames_have_times_and_rows_of_one_moment():
    pytest.importorskip("pandas")
    buffer = m5mem.CandleBuffer(50, fields=["x"], time=True)
    book = m5mem.CandleBook(["A"], 50, ["x"])
    done = threading.Event()

    def work(number):
        if number == 0:
            for n in range(ROWS):
                buffer.append(float(n), time=n)
                book.append(n, {"A": [float(n)]})
            done.set()
        while not done.is_set():
            frame = buffer.to_pandas()
            assert (frame.index.astype("int64") == frame["x"]).all()
            frame = book.to_pandas("x", 10)
            assert (frame.index.astype("int64") == frame["A"]).all()

    together(work, 3)


def test_ticks_of_all_threads_count():
    buffer = m5mem.CandleBuffer(100, interval=10, time=True)
    follows = buffer.resample("1min")
    mean, done = buffer.attach(m5mem.SMA(1), on="tick"), []

    def work(number):
        chance = random.Random(number)
        for n in range(ROWS):
            buffer.push_tick(5.0, 100.0 + chance.random(), 1.0)
            if n % 50 == 0:  # holds the bar that is open: others' ticks go to a fresh block
                window = buffer.window(None, "volume")
                was = window.copy()
                buffer.push_tick(5.0, 100.0, 1.0)
                assert (window == was).all()
                done.append(1)

    together(work)
    total = ROWS * THREADS + len(done)
    assert buffer.last("volume") == total == follows.last("volume")
    assert mean.value == buffer.last("close") and buffer.last("low") == 100.0


def test_calls_of_on_close_and_followers_come_once_each():
    closed, seen = [], []

    class Follower:
        def update(self, value):
            seen.append(value)

    buffer = m5mem.CandleBuffer(100, interval=1, on_close=lambda _, bars: closed.append(bars))
    buffer.attach(Follower(), on="close")
    clock = iter(range(10**9))
    lock = threading.Lock()

    def work(_):
        for _ in range(500):
            with lock:  # times must not go back: they would be late
                buffer.push_tick(next(clock), 1.0)

    together(work)
    assert sum(closed) == len(seen) == 500 * THREADS - 1


def test_a_book_of_all_threads():
    symbols = [f"S{n}" for n in range(THREADS)]
    book = m5mem.CandleBook(symbols, 30, interval=10)

    def work(number):
        for n in range(ROWS):
            book.push_tick(symbols[number], 3.0, float(number + 1), 1.0)
            if n % 100 == 0:
                prices = book.window(1, "close")[0]
                assert all(p != p or p == i + 1 for i, p in enumerate(prices))
                assert book.last(symbols[number]) == number + 1

    together(work)
    assert [book.last(s, "volume") for s in symbols] == [ROWS] * THREADS


def test_an_indicator_loses_no_value():
    sma, seen = m5mem.SMA(ROWS * THREADS), m5mem.RollingVWAP(ROWS * THREADS)

    def work(_):
        for _ in range(ROWS):
            sma.update(1.0)
            seen.update(2.0, 1.0)

    together(work)
    assert sma.ready and sma.value == 1.0 and seen.ready and seen.value == 2.0


def test_batches_in_parallel():
    values = np.random.default_rng(1).normal(size=120_000).cumsum()
    expected = m5mem.indicators.ema(values, 20)
    for mine in together(lambda _: m5mem.indicators.ema(values, 20)):
        assert np.array_equal(mine, expected, equal_nan=True)
