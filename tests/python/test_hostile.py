"""Wrong calls, as people make them: each is an error at once, of the kind that Python's own would be, and says what helps.
None of them leaves anything behind."""

import asyncio
import copy
import datetime as dt
import gc
import pickle

import pytest

import m5mem
from m5mem import (
    ADX,
    ATR,
    EMA,
    MACD,
    SMA,
    CandleBook,
    CandleBuffer,
    LRUCache,
    Pool,
    RollingStd,
    TTLCache,
    cached,
)
from m5mem.ws import ManagedWSPool

NAN = float("nan")


def identity(x):
    return x


def generator():
    yield 1


async def agenerator():
    yield 1


def buffer(**options):
    return CandleBuffer(10, **options)


def bars():
    return CandleBuffer(10, interval="1min", time=True)


CACHES = [
    (lambda: LRUCache(-1), ValueError, "whole number"),
    (lambda: LRUCache(2.5), ValueError, "whole number"),
    (lambda: LRUCache(NAN), ValueError, "whole number"),
    (lambda: LRUCache("5"), TypeError, "number"),
    (lambda: LRUCache(), TypeError, "maxsize"),
    (lambda: LRUCache(5, max_bytes=-1), ValueError, "0 or more"),
    (lambda: TTLCache(5), TypeError, "ttl"),
    (lambda: TTLCache(5, -1), ValueError, "ttl"),
    (lambda: TTLCache(5, NAN), ValueError, "ttl"),
    (lambda: TTLCache(5, "1"), TypeError, "number"),
    (lambda: TTLCache(5, dt.timedelta(seconds=1)), TypeError, "number"),
    (lambda: TTLCache(5, 1, jitter=2), ValueError, "jitter"),
    (lambda: TTLCache(5, 1, timer=5), TypeError, "timer must be callable"),
    (lambda: LRUCache(5, getsizeof=5), TypeError, "getsizeof must be callable"),
    (lambda: LRUCache(5)[[]], TypeError, "unhashable"),
    (lambda: LRUCache(5).get([]), TypeError, "unhashable"),
    (lambda: LRUCache(5).get(), TypeError, "key"),
    (lambda: LRUCache(5).get(1, 2, 3), TypeError, "key"),
    (lambda: LRUCache(5).get(1, defualt=2), TypeError, "key"),
    (lambda: LRUCache(5).pop(1, 2, 3), TypeError, "default"),
    (lambda: LRUCache(5).pop(1, defualt=3), TypeError, "default"),
    (lambda: LRUCache(5).popitem(), KeyError, "empty"),
    (lambda: LRUCache(5).update(5), TypeError, ""),
    (lambda: LRUCache(2, getsizeof=len).update(a="xyz"), ValueError, "too large"),
    (lambda: m5mem._native.Cache._make(dict, None), TypeError, "LRUCache"),
]
DECORATOR = [
    (lambda: cached(generator), TypeError, "return a list"),
    (lambda: cached(agenerator), TypeError, "return a list"),
    (lambda: cached(lambda: (i for i in "ab"))(), TypeError, "return a list"),
    (lambda: cached(5)("text"), TypeError, "function is needed"),
    (lambda: cached(LRUCache), TypeError, "class LRUCache"),
    (lambda: cached("5"), TypeError, "mapping"),
    (lambda: cached(maxsize=-1), ValueError, "whole number"),
    (lambda: cached(maxsize="5"), TypeError, "mapping"),
    (lambda: cached(key="x"), TypeError, "key"),
    (lambda: cached(key=5), TypeError, "key"),
    (lambda: cached(ttl=-1), ValueError, "ttl"),
    (lambda: cached(ttl=NAN), ValueError, "ttl"),
    (lambda: cached(stale_ttl=5), ValueError, "ttl"),
    (lambda: cached(ttl_jitter=0.5), ValueError, "ttl"),
    (lambda: cached(ttl=1, ttl_jitter=-1), ValueError, "jitter"),
    (lambda: cached(error_ttl=-1), ValueError, "error_ttl"),
    (lambda: cached(errors="ignore"), ValueError, "'share' or 'retry'"),
    (lambda: cached(max_bytes=-1), ValueError, "0 or more"),
    (lambda: cached(sizeof=len), ValueError, "max_bytes"),
    (lambda: cached({}, ttl=5), ValueError, "cache of its own"),
    (lambda: cached({}, stale_ttl=5), ValueError, "ttl"),
    (lambda: cached(LRUCache(5), stale_ttl=5), ValueError, "TTLCache"),
    (lambda: cached(identity)([1]), TypeError, "unhashable"),
    (lambda: cached(identity)(), TypeError, "missing"),
    (lambda: cached(identity)(1, y=2), TypeError, "unexpected"),
    (lambda: cached(key=lambda x: 1 / 0)(identity)(1), ZeroDivisionError, ""),
    (lambda: cached(key=lambda x: [x])(identity)(1), TypeError, "unhashable"),
]
BUFFERS = [
    (lambda: CandleBuffer(0), ValueError, "capacity"),
    (lambda: CandleBuffer(-1), ValueError, "0 or more"),
    (lambda: CandleBuffer(10**12), ValueError, "capacity"),
    (lambda: CandleBuffer(10.0), TypeError, "integer"),
    (lambda: CandleBuffer("10"), TypeError, "integer"),
    (lambda: buffer(fields=[]), ValueError, "fields"),
    (lambda: buffer(fields=["a", "a"]), ValueError, "distinct"),
    (lambda: buffer(fields="close"), TypeError, "sequence of names"),
    (lambda: buffer(fields=[1]), TypeError, "str"),
    (lambda: buffer(fields=["a"], interval=1), KeyError, "open"),
    (lambda: buffer(dtype="i8"), ValueError, "dtype"),
    (lambda: buffer(order="A"), ValueError, "order"),
    (lambda: buffer(gaps="zero"), ValueError, "gaps"),
    (lambda: buffer(unit="min"), ValueError, "unit"),
    (lambda: buffer(on_bad="ignore"), ValueError, "on_bad"),
    (lambda: buffer(prices="negative"), ValueError, "prices"),
    (lambda: buffer(on_close=5), TypeError, "callable"),
    (lambda: buffer(interval=0), ValueError, "positive"),
    (lambda: buffer(interval=-1), ValueError, "positive"),
    (lambda: buffer(interval=NAN), ValueError, "positive"),
    (lambda: buffer(interval="1 fortnight"), ValueError, "1min"),
    (lambda: buffer(interval="-1min"), ValueError, "1min"),
    (lambda: buffer(interval="0s"), ValueError, "positive"),
    (lambda: buffer(interval=[1]), TypeError, "interval"),
    (lambda: buffer(interval="1min", max_gap="soon"), ValueError, "1min"),
    (lambda: buffer().append(1, 2), TypeError, "5 number"),
    (lambda: buffer().append((1, 2, 3, 4, 5)), TypeError, "5 number"),
    (lambda: buffer().append(1, 2, 3, 4, 5, 6), TypeError, "5 number"),
    (lambda: buffer().append(1, 2, 3, 4, "x"), TypeError, "number"),
    (lambda: buffer().append(1, 2, 3, 4, 5, close=1), TypeError, "twice"),
    (lambda: buffer().append(1, 2, 3, 4, vol=1), TypeError, "no field 'vol'"),
    (lambda: buffer().update_last(1, 2, 3, 4, 5), ValueError, "append a candle"),
    (lambda: buffer().push_tick(1, 1), ValueError, "interval="),
    (lambda: bars().push_tick("2024-01-01", 1), TypeError, "time"),
    (lambda: bars().push_tick(None, 1), TypeError, "time"),
    (lambda: bars().push_tick(1, "1"), TypeError, "number"),
    (lambda: bars().push_tick(1), TypeError, ""),
    (lambda: bars().push_tick(1, 1, amount=1), TypeError, "amount"),
    (lambda: bars().push_tick(1, 1, ts=1), TypeError, "twice"),
    (lambda: buffer(interval=1, on_bad="raise").push_tick(1, NAN), ValueError, "refused"),
    (lambda: buffer(interval=1, on_bad="raise").push_tick(1, -1), ValueError, "refused"),
    (lambda: buffer().window(-1), ValueError, "0 or more"),
    (lambda: buffer().window(1.5), TypeError, "integer"),
    (lambda: buffer().window(1, "clse"), KeyError, "no field 'clse'"),
    (lambda: buffer().window(1, fild="close"), TypeError, "fild"),
    (lambda: buffer().window(1, n=1), TypeError, "twice"),
    (lambda: buffer().window(1, "close", 3), TypeError, "at most 2"),
    (lambda: buffer().last(), IndexError, "no candle"),
    (lambda: buffer().last("close", -1), ValueError, "0 or more"),
    (lambda: buffer()[0], IndexError, ""),
    (lambda: buffer()["clse"], KeyError, "no field"),
    (lambda: buffer().times(), ValueError, "time=True"),
    (lambda: buffer().resample("5min"), ValueError, "time=True"),
    (lambda: bars().resample("90s"), ValueError, "multiple"),
    (lambda: bars().resample("5min", -1), ValueError, "0 or more"),
    (lambda: buffer().attach(5), TypeError, "update"),
    (lambda: buffer().attach(SMA(3), "clse"), KeyError, "no field"),
    (lambda: buffer().attach(SMA(3), on="never"), ValueError, "on"),
    (lambda: buffer().detach(SMA(3)), ValueError, ""),
    (lambda: [buffer().attach(s) for s in [SMA(3)] * 2], ValueError, "another"),
    (lambda: buffer().extend([[1, 2]]), ValueError, "5 number"),
    (lambda: buffer().extend(5), TypeError, ""),
    (lambda: CandleBuffer.from_state({}), ValueError, "no state"),
    (lambda: CandleBuffer.from_state({**buffer().state(), "format": 99}), ValueError, "newer"),
    (lambda: CandleBuffer.from_state({**buffer().state(), "rows": b"x" * 9}), ValueError, "torn"),
    (lambda: CandleBook("BTC"), TypeError, "sequence of names"),
    (lambda: CandleBook([]), ValueError, "distinct"),
    (lambda: CandleBook(["a", "a"]), ValueError, "distinct"),
    (lambda: CandleBook(["a"], capacity=-1), ValueError, "0 or more"),
    (lambda: CandleBook(["a"], interval=1).push_tick("b", 1, 1), KeyError, "no symbol 'b'"),
    (lambda: CandleBook(["a"]).window(1, "clse"), KeyError, "no field"),
    (lambda: CandleBook(["a"]).window(-1), ValueError, "0 or more"),
    (lambda: CandleBook(["a"]).last("a", back=-1), ValueError, "0 or more"),
]
INDICATORS = [
    (lambda: SMA(0), ValueError, "period"),
    (lambda: SMA(-1), ValueError, "0 or more"),
    (lambda: SMA(10**12), ValueError, "period"),
    (lambda: SMA(2.5), TypeError, "integer"),
    (lambda: EMA("5"), TypeError, "integer"),
    (lambda: SMA(3, nan="ignore"), ValueError, "'propagate' or 'skip'"),
    (lambda: MACD(0), ValueError, "period"),
    (lambda: RollingStd(3, 3), ValueError, "ddof"),
    (lambda: RollingStd(3, -1), ValueError, "0 or more"),
    (lambda: SMA(3).update(), TypeError, "1 number"),
    (lambda: SMA(3).update("1"), TypeError, "number"),
    (lambda: ATR(3).update(1), TypeError, "3 number"),
    (lambda: ADX(3).replace(1, 2), TypeError, "3 number"),
    (lambda: m5mem.indicators.sma(5), TypeError, ""),
    (lambda: m5mem.indicators.sma([1, 2], 0), ValueError, "period"),
    (lambda: m5mem.indicators.sma(["a"]), TypeError, ""),
    (lambda: m5mem.indicators.atr([1], [1], [1, 2]), ValueError, "length"),
]
REST = [
    (lambda: Pool(5), TypeError, "factory"),
    (lambda: Pool(list, 5), TypeError, "reset"),
    (lambda: Pool(list, max_size=0), ValueError, "max_size"),
    (lambda: copy.copy(Pool(list)), TypeError, "neither copied nor pickled"),
    (lambda: pickle.dumps(Pool(list)), TypeError, "neither copied nor pickled"),
    (lambda: ManagedWSPool(0), ValueError, "max_connections"),
    (lambda: ManagedWSPool(stale_after=-1), ValueError, "above 0"),
    (lambda: ManagedWSPool(handler_timeout=0), ValueError, "handler_timeout"),
    (lambda: ManagedWSPool().add("ws://x", print), RuntimeError, "loop"),
    (lambda: ManagedWSPool().add("ws://x", "print"), TypeError, "functions"),
    (lambda: ManagedWSPool().add("ws://x", print, on_open=5), TypeError, "functions"),
    (lambda: asyncio.run(ManagedWSPool().remove("nope")), KeyError, "nope"),
    (lambda: m5mem.gc.manage(warmup=-1), ValueError, "warmup"),
    (lambda: m5mem.gc.manage(warmup=NAN), ValueError, "warmup"),
    (lambda: m5mem.gc.manage(tick=0), ValueError, "tick"),
    (lambda: m5mem.gc.manage(tick=NAN), ValueError, "tick"),
    (lambda: m5mem.gc.manage(thresholds="best"), ValueError, "three numbers"),
    (lambda: m5mem.gc.manage(thresholds=(700, 10)), ValueError, "three numbers"),
    (lambda: m5mem.gc.manage(thresholds=(700, 10, -1)), ValueError, "three numbers"),
    (lambda: m5mem.gc.manage(thresholds=700), ValueError, "three numbers"),
    (lambda: m5mem.gc.manage(idle_collect="yes"), TypeError, "Idle"),
    (lambda: m5mem.gc.manage(idle_collect=True), ValueError, "loop"),
    (lambda: m5mem.gc.manage(guard="yes"), TypeError, "Guard"),
    (lambda: m5mem.gc.manage(trim=0.05), TypeError, "Trim"),
    (lambda: m5mem.gc.Idle(max_load=0), ValueError, "max_load"),
    (lambda: m5mem.gc.Idle(interval=10, deadline=5), ValueError, "deadlines"),
    (lambda: m5mem.gc.Idle(pause_budget=-1), ValueError, "pause_budget"),
    (lambda: m5mem.gc.Trim(budget=0), ValueError, "budget"),
    (lambda: m5mem.fds.FdMonitor(warn=0), ValueError, ""),
    (lambda: m5mem.nothing, AttributeError, "nothing"),
]
ALL = [*CACHES, *DECORATOR, *BUFFERS, *INDICATORS, *REST]


@pytest.mark.parametrize("number", range(len(ALL)))
def test_a_wrong_call_is_an_error_that_says_what_helps(number):
    call, kind, words = ALL[number]
    before = (gc.get_threshold(), list(gc.callbacks), gc.isenabled())
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind, caught.value
    assert words in str(caught.value), str(caught.value)
    assert before == (gc.get_threshold(), list(gc.callbacks), gc.isenabled()) and m5mem.gc.current() is None
