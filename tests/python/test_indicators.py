"""Indicators against TA-Lib, against their definition, and against themselves (batch, replace)."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem
from m5mem import indicators as batch

np = pytest.importorskip("numpy")
try:
    import talib
except ImportError:  # no wheel for this Python
    talib = None
needs_talib = pytest.mark.skipif(talib is None, reason="needs TA-Lib, the oracle")

N = 400


def series(kind, seed=0):
    """Prices that a market gives, and those that it should not."""
    r = np.random.default_rng(seed)
    walk = 100 + r.normal(size=N).cumsum() * 0.5
    if kind == "walk":
        return walk
    if kind == "large":
        return 60_000 + r.normal(size=N).cumsum() * 0.01
    if kind == "tiny":
        return 1e-6 + np.abs(r.normal(size=N)) * 1e-8
    if kind == "constant":
        return np.full(N, 123.456)
    if kind == "step":
        return np.r_[np.full(N // 2, 1000.0), 1 + r.normal(size=N // 2) * 1e-3]
    if kind == "then constant":
        return np.r_[walk[: N // 2], np.full(N // 2, 50.0)]
    if kind == "leading nan":
        return np.r_[np.full(7, np.nan), walk[7:]]
    assert kind == "nan inside"
    walk[150] = np.nan
    return walk


KINDS = ["walk", "large", "tiny", "constant", "step", "then constant", "leading nan", "nan inside"]
SINGLE = {
    "sma": (batch.sma, lambda x, p: talib.SMA(x, p)),
    "ema": (batch.ema, lambda x, p: talib.EMA(x, p)),
    "wma": (batch.wma, lambda x, p: talib.WMA(x, p)),
    "rsi": (batch.rsi, lambda x, p: talib.RSI(x, p)),
    "std": (batch.rolling_std, lambda x, p: talib.STDDEV(x, p)),
    "min": (batch.rolling_min, lambda x, p: talib.MIN(x, p)),
    "max": (batch.rolling_max, lambda x, p: talib.MAX(x, p)),
    "bollinger": (batch.bollinger, lambda x, p: talib.BBANDS(x, p)),
    "macd": (lambda x, p: batch.macd(x, p, 2 * p, 9), lambda x, p: talib.MACD(x, p, 2 * p, 9)),
}


def same(ours, theirs, scale=1.0):
    ours, theirs = np.atleast_2d(np.asarray(ours)), np.atleast_2d(np.asarray(theirs))
    assert (np.isnan(ours) == np.isnan(theirs)).all(), "another warm-up"
    assert np.nanmax(np.abs(ours - theirs), initial=0.0) <= 1e-9 * max(1.0, scale)


@needs_talib
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [2, 14, 50])
@pytest.mark.parametrize("name", SINGLE)
def test_as_talib(name, period, kind):
    x = series(kind)
    ours, theirs = SINGLE[name]
    if kind == "nan inside" and name in ("rsi", "min", "max", "sma", "wma", "std", "bollinger"):
        x = x[:150]  # What TA-Lib gives from the NaN on is no rule; the tests below have ours.
    same(ours(x, period), theirs(x, period))


@needs_talib
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [2, 14])
def test_atr_as_talib(period, kind):
    close = series(kind)
    r = np.random.default_rng(5)
    high, low = close + np.abs(r.normal(size=N)), close - np.abs(r.normal(size=N))
    ours, theirs = batch.atr(high, low, close, period), talib.ATR(high, low, close, period)
    same(ours, theirs)


def definition(f, period, *columns):
    rows = len(columns[0])
    out = np.full(rows, np.nan)
    for i in range(period - 1, rows):
        out[i] = f(*(c[i - period + 1 : i + 1] for c in columns))
    return out


@pytest.mark.parametrize("kind", ["none", "some", "huge"])
def test_vwap_by_definition(kind):
    price, r = series("walk"), np.random.default_rng(3)
    volume = {
        "none": np.zeros(N),
        "some": np.where(r.random(N) < 0.7, 0.0, r.random(N)),
        "huge": np.where(r.random(N) < 0.05, 1e12, 1e-3 * r.random(N)),
    }[kind]

    def vwap(p, v):
        return math.fsum(p * v) / math.fsum(v) if v.any() else math.nan

    same(batch.rolling_vwap(price, volume, 10), definition(vwap, 10, price, volume))


def weighted(window):
    return np.average(window, weights=np.arange(1, len(window) + 1))


@pytest.mark.parametrize("name,f", [("min", np.min), ("max", np.max), ("wma", weighted), ("std", np.std)])
def test_a_nan_leaves_with_its_window(name, f):
    x = series("nan inside")
    x[[160, 161, 300]] = np.nan
    same(SINGLE[name][0](x, 14), definition(f, 14, x))


def test_rsi_after_nan_is_nan():
    out = batch.rsi(series("nan inside"), 14)
    assert not np.isnan(out[149]) and np.isnan(out[150:]).all()


def test_std_ddof():
    x = series("walk")
    same(batch.rolling_std(x, 20, 1), definition(lambda w: np.std(w, ddof=1), 20, x))


def test_dyadic_prices_give_exact_sums():
    """Multiples of 1/64: rolling and direct means are the same bits, after any number of values."""
    x = np.random.default_rng(9).integers(1, 1 << 20, 20_000) / 64
    out = batch.sma(x, 50)
    direct = np.array([x[i - 49 : i + 1].sum() / 50 for i in range(49, len(x))])
    assert (out[49:] == direct).all()


def test_sums_do_not_drift():
    """A huge value leaves no trace when it is gone, at the latest after the next rebuild."""
    x = np.full(10_000, 0.1)
    x[10] = 1e15
    assert abs(batch.sma(x, 10)[-1] - 0.1) < 1e-12
    assert abs(batch.wma(x, 10)[-1] - 0.1) < 1e-12
    assert batch.rolling_std(x, 10)[-1] < 1e-9


MAKERS = {
    "sma": lambda p: m5mem.SMA(p),
    "ema": lambda p: m5mem.EMA(p),
    "wma": lambda p: m5mem.WMA(p),
    "rsi": lambda p: m5mem.RSI(p),
    "std": lambda p: m5mem.RollingStd(p),
    "min": lambda p: m5mem.RollingMin(p),
    "max": lambda p: m5mem.RollingMax(p),
    "bollinger": lambda p: m5mem.Bollinger(p),
    "macd": lambda p: m5mem.MACD(p, p + 3, 4),
    "atr": lambda p: m5mem.ATR(p),
    "vwap": lambda p: m5mem.RollingVWAP(p),
    "adx": lambda p: m5mem.ADX(p),
    "stoch": lambda p: m5mem.Stoch(p, p + 3, 4),
    "obv": lambda p: m5mem.OBV(),
    "cci": lambda p: m5mem.CCI(p),
    "mfi": lambda p: m5mem.MFI(p),
    "williams_r": lambda p: m5mem.WilliamsR(p),
    "donchian": lambda p: m5mem.Donchian(p),
    "keltner": lambda p: m5mem.Keltner(p, p + 3, 1.5),
    "vwap_bands": lambda p: m5mem.VWAPBands(p),
}
# What each reads of a candle, and the arguments that go with a period where it is not the period alone.
READS = {
    **dict.fromkeys(["atr", "adx", "stoch", "cci", "williams_r", "keltner"], 3),
    **dict.fromkeys(["vwap", "obv", "donchian", "vwap_bands"], 2),
    "mfi": 4,
}
ARGUMENTS = {
    "macd": lambda p: (p, p + 3, 4),
    "stoch": lambda p: (p, p + 3, 4),
    "obv": lambda p: (),
    "keltner": lambda p: (p, p + 3, 1.5),
}
ANY = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, math.nan]))


def rows_for(name, draw):
    return [v[: READS.get(name, 1)] for v in draw]


def alike(a, b):
    a, b = (v if isinstance(v, tuple) else (v,) for v in (a, b))
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b))


@pytest.mark.parametrize("nan", ["propagate", "skip"])
@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.lists(st.tuples(ANY, ANY, ANY, ANY, st.lists(st.tuples(ANY, ANY, ANY, ANY), max_size=2)), max_size=40),
)
def test_replacing_is_as_if_only_the_last_had_come(name, nan, period, steps):
    make = type(MAKERS[name](period))
    arguments = ARGUMENTS.get(name, lambda p: (p,))(period)
    live, straight = make(*arguments, nan=nan), make(*arguments, nan=nan)
    for *first, changes in steps:
        versions = rows_for(name, [tuple(first), *changes])
        if nan == "skip":
            # A NaN in the place of a number is left out: the number before it stays.
            good = [v for v in versions if not any(map(math.isnan, v))]
            final = good[-1] if good else versions[-1]
        else:
            final = versions[-1]
        live.update(*versions[0])
        for change in versions[1:]:
            live.replace(*change)
        straight.update(*final)
        assert alike(live.value, straight.value)
        assert live.ready == straight.ready


WHOLE = {
    "sma": batch.sma,
    "ema": batch.ema,
    "wma": batch.wma,
    "rsi": batch.rsi,
    "std": batch.rolling_std,
    "min": batch.rolling_min,
    "max": batch.rolling_max,
    "bollinger": batch.bollinger,
    "macd": lambda x, p, **nan: batch.macd(x, p, p + 3, 4, **nan),
    "atr": batch.atr,
    "vwap": batch.rolling_vwap,
    "adx": batch.adx,
    "stoch": lambda h, lo, c, p: batch.stoch(h, lo, c, p, p + 3, 4),
    "obv": lambda c, v, p: batch.obv(c, v),
    "cci": batch.cci,
    "mfi": batch.mfi,
    "williams_r": batch.williams_r,
    "donchian": batch.donchian,
    "keltner": lambda h, lo, c, p: batch.keltner(h, lo, c, p, p + 3, 1.5),
    "vwap_bands": batch.vwap_bands,
}


def columns_for(name, close, spread, volume):
    """The arrays that an indicator reads."""
    high, low = close + spread, close - spread
    if name in ("vwap", "obv", "vwap_bands"):
        return close, volume
    return {1: (close,), 2: (high, low), 3: (high, low, close), 4: (high, low, close, volume)}[
        READS.get(name, 1)
    ]


def fed(name, period, columns):
    """What the class gives value by value."""
    indicator = MAKERS[name](period)
    return np.array([np.atleast_1d(indicator.update(*row)) for row in zip(*columns)]).T


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 700),
    st.integers(1, 40),
    st.integers(0, 9),
    st.sampled_from([1e-3, 1.0, 1e5]),
    st.sampled_from(["", "leading nan", "nan", "inf", "constant"]),
)
def test_whole_arrays_are_as_fed_value_by_value(name, length, period, seed, step, surprise):
    r = np.random.default_rng(seed)
    close = 1000 + r.normal(size=length).cumsum() * step
    if surprise == "constant":
        close[length // 3 :] = 77.7
    elif surprise:
        at = slice(0, length // 4) if surprise == "leading nan" else length // 2
        close[at] = math.inf if surprise == "inf" else math.nan
    columns = columns_for(name, close, r.random(length), r.random(length))
    size = np.nanmax(np.abs(close[np.isfinite(close)]), initial=1.0)
    with np.errstate(invalid="ignore"):
        ours, theirs = np.atleast_2d(WHOLE[name](*columns, period)), fed(name, period, columns)
        assert ours.shape == theirs.shape and (np.isnan(ours) == np.isnan(theirs)).all()
        numbers = np.isfinite(theirs)
        assert (ours[~numbers & ~np.isnan(theirs)] == theirs[~numbers & ~np.isnan(theirs)]).all()
    assert np.max(np.abs(ours[numbers] - theirs[numbers]), initial=0.0) <= 1e-12 * size * (
        1e2 if name == "rsi" else 1
    )


@pytest.mark.parametrize("period", [1, 2, 20, 1500])
@pytest.mark.parametrize("name", WHOLE)
def test_long_arrays_are_as_fed_value_by_value(name, period):
    """Long enough for pieces, for stretches, and for the GIL to be given up."""
    close = 100 + np.random.default_rng(4).normal(size=70_001).cumsum() * 0.01
    columns = columns_for(name, close, 1 + 0 * close, close)
    ours, theirs = np.atleast_2d(WHOLE[name](*columns, period)), fed(name, period, columns)
    assert (np.isnan(ours) == np.isnan(theirs)).all()
    assert np.nanmax(np.abs(ours - theirs)) < 1e-9


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80), st.integers(1, 20))
def test_extremes_on_anything(values, period):
    x = np.array(values)
    same(batch.rolling_min(x, period), definition(np.min, period, x))
    same(batch.rolling_max(x, period), definition(np.max, period, x))


def test_interface():
    sma = m5mem.SMA(3)
    assert isinstance(sma, m5mem.Indicator) and sma.lookback == 2 and not sma.ready
    assert [sma.update(x) for x in (1, 2, 3.0)][-1] == 2.0 == float(sma) == sma.value
    assert sma.ready
    sma.reset()
    assert math.isnan(sma.value) and not sma.ready
    assert len(m5mem.MACD().update(1.0)) == 3
    with pytest.raises(TypeError, match="3 number"):
        m5mem.ATR().update(1.0)
    with pytest.raises(TypeError):
        sma.update("x")
    with pytest.raises(ValueError, match="period"):
        m5mem.SMA(0)
    with pytest.raises(ValueError, match="nan"):
        m5mem.SMA(3, nan="hide")
    with pytest.raises(ValueError, match="length"):
        batch.atr([1.0], [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="one-dimensional"):
        batch.sma(np.zeros((2, 2)))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], (1.0, 2.0, 3.0, 4.0), "f4", "i8", "strided"])
def test_batch_takes_any_numbers(data):
    given = (
        {
            "f4": np.arange(1, 5, dtype="f4"),
            "i8": np.arange(1, 5),
            "strided": np.repeat(np.arange(1.0, 5.0), 2)[::2],
        }.get(data, data)
        if isinstance(data, str)
        else data
    )
    assert batch.sma(given, 2)[1:].tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["SMA", "WMA", "RollingStd", "Bollinger", "RollingMin", "RollingMax"])
def test_windows_forget_what_is_no_number(name, bad):
    make = getattr(m5mem, name)
    live, clean = make(5), make(5)
    for i in range(20):
        live.update(100.0 + i)
    live.update(bad)
    if not (math.isinf(bad) and name in ("RollingMin", "RollingMax")):  # for those an infinity is a value
        assert np.isnan(live.value).all()
    for i in range(5):
        live.update(7.0 * i), clean.update(7.0 * i)
    assert live.value == clean.value
    for i in range(10_000):  # also when the running sums are built anew
        live.update(float(i % 13)), clean.update(float(i % 13))
    assert live.value == clean.value


@pytest.mark.parametrize("name", ["SMA", "EMA", "WMA", "RSI", "RollingStd", "Bollinger", "MACD"])
def test_skipped_candles_leave_no_trace(name):
    make = getattr(m5mem, name)
    live, clean = make(nan="skip"), make(nan="skip")
    for i in range(200):
        live.update(float(i % 17)), clean.update(float(i % 17))
        for bad in (math.nan, math.inf, -math.inf):
            live.update(bad)
            live.replace(bad)
    assert live.value == clean.value and not np.isnan(live.value).any()
