"""Oscillators, channels and volume: against TA-Lib, and against their definition."""

import math

import pytest
from test_indicators import KINDS, N, definition, needs_talib, same, series, talib

import m5mem
from m5mem import indicators as batch

np = pytest.importorskip("numpy")


def candles(kind, seed=0):
    """High, low, close, volume; volumes are large, since TA-Lib calls less than one unit of money nothing."""
    close = series(kind, seed)
    r = np.random.default_rng(seed + 5)
    scale = np.nanmax(np.abs(close)) * 1e-3
    high, low = close + scale * r.random(N), close - scale * r.random(N)
    volume = np.where(np.isnan(close), np.nan, 1e9 * r.random(N))
    return high, low, close, volume


FINITE = [k for k in KINDS if k != "nan inside"]
AS_TALIB = {
    "adx": (
        lambda h, lo, c, v, p: batch.adx(h, lo, c, p),
        lambda h, lo, c, v, p: (
            talib.ADX(h, lo, c, p),
            talib.PLUS_DI(h, lo, c, p),
            talib.MINUS_DI(h, lo, c, p),
        ),
    ),
    "stoch": (
        lambda h, lo, c, v, p: batch.stoch(h, lo, c, p, 3, 4),
        lambda h, lo, c, v, p: talib.STOCH(h, lo, c, p, 3, 0, 4, 0),
    ),
    "obv": (lambda h, lo, c, v, p: batch.obv(c, v), lambda h, lo, c, v, p: talib.OBV(c, v)),
    "cci": (lambda h, lo, c, v, p: batch.cci(h, lo, c, p), lambda h, lo, c, v, p: talib.CCI(h, lo, c, p)),
    "mfi": (
        lambda h, lo, c, v, p: batch.mfi(h, lo, c, v, p),
        lambda h, lo, c, v, p: talib.MFI(h, lo, c, v, p),
    ),
    "williams_r": (
        lambda h, lo, c, v, p: batch.williams_r(h, lo, c, p),
        lambda h, lo, c, v, p: talib.WILLR(h, lo, c, p),
    ),
}


@needs_talib
@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("period", [2, 14, 50])
@pytest.mark.parametrize("name", AS_TALIB)
def test_as_talib(name, period, kind):
    columns = candles(kind)
    ours, theirs = (np.atleast_2d(np.asarray(f(*columns, period))) for f in AS_TALIB[name])
    # TA-Lib gives a directional indicator before the average of it; here the three begin together.
    begins = np.isnan(ours[0])
    assert not begins[-1] and (np.isnan(ours) == begins).all()
    assert (np.isnan(theirs[0]) == begins).all(), "another warm-up"
    theirs = np.where(begins, np.nan, theirs)
    same(ours, theirs, scale=np.nanmax(np.abs(theirs), initial=1.0))


@pytest.mark.parametrize("kind", ["walk", "large", "step", "nan inside"])
def test_channels_by_definition(kind):
    high, low, close, _ = candles(kind)
    top, middle, bottom = batch.donchian(high, low, 9)
    same(top, definition(np.max, 9, high))
    same(bottom, definition(np.min, 9, low))
    same(middle, (top + bottom) / 2)
    upper, middle, lower = batch.keltner(high, low, close, 9, 5, 1.5)
    ema, atr = batch.ema(close, 9), batch.atr(high, low, close, 5)
    whole = ~np.isnan(ema + atr)
    same(middle, np.where(whole, ema, np.nan))
    same(upper - middle, np.where(whole, 1.5 * atr, np.nan))
    same(middle - lower, np.where(whole, 1.5 * atr, np.nan))


@pytest.mark.parametrize("kind", ["walk", "large", "tiny", "constant", "step", "nan inside"])
@pytest.mark.parametrize("volumes", ["some", "huge", "none"])
def test_vwap_bands_by_definition(kind, volumes):
    price, r = series(kind), np.random.default_rng(3)
    volume = {
        "none": np.zeros(N),
        "some": np.where(r.random(N) < 0.7, 0.0, r.random(N)),
        "huge": np.where(r.random(N) < 0.05, 1e12, 1e-3 * r.random(N)),
    }[volumes]
    upper, middle, lower = batch.vwap_bands(price, volume, 10, 2.0, 1.0)
    same(middle, batch.rolling_vwap(price, volume, 10), scale=np.nanmax(price))

    def deviation(p, v):
        if not v.any() or np.isnan(p).any():
            return math.nan
        mean = math.fsum(p * v) / math.fsum(v)
        return math.sqrt(math.fsum(v * (p - mean) ** 2) / math.fsum(v))

    wanted = definition(deviation, 10, price, volume)
    scale = np.nanmax(np.abs(price))
    same((upper - middle) / 2, wanted, scale=scale)
    same(middle - lower, wanted, scale=scale)


def test_small_money_is_money():
    """A thousandth of a coin at a tenth of a cent: TA-Lib says 0."""
    close = series("tiny")
    out = batch.mfi(close, close, close, np.full(N, 1e-3), 14)
    assert np.nanmax(out) > 50


@pytest.mark.parametrize("price", [123.456, 0.1, 60_000.7, 1e-9])
def test_a_market_that_stands_still(price):
    """Rounding is no movement."""
    flat = np.full(60, price)
    ones = np.ones(60)
    assert (batch.cci(flat, flat, flat, 14)[13:] == 0).all()
    assert (batch.mfi(flat, flat, flat, ones, 14)[14:] == 0).all()
    assert (batch.stoch(flat, flat, flat)[1][8:] == 0).all()
    assert (batch.williams_r(flat, flat, flat)[13:] == 0).all()
    assert (np.array(batch.adx(flat, flat, flat))[:, 27:] == 0).all()
    assert (batch.obv(flat, ones) == 1).all()


WINDOWED = {
    "CCI": (3, 5),
    "MFI": (4, 6),
    "WilliamsR": (3, 5),
    "Donchian": (2, 5),
    "VWAPBands": (2, 5),
}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", WINDOWED)
def test_windows_forget_what_is_no_number(name, bad):
    reads, forgets = WINDOWED[name]
    live, clean = getattr(m5mem, name)(5), getattr(m5mem, name)(5)
    r = np.random.default_rng(1)
    for _ in range(20):
        live.update(*(100 + r.random(reads)))
    live.update(*[bad] * reads)
    for _ in range(forgets + 1):
        row = 100 + r.random(reads)
        live.update(*row), clean.update(*row)
    assert live.value == clean.value
    for _ in range(5_000):
        row = 100 + r.random(reads)
        live.update(*row), clean.update(*row)
    assert live.value == pytest.approx(clean.value, rel=1e-12)


@pytest.mark.parametrize("name,reads", [("ADX", 3), ("OBV", 2), ("Keltner", 3)])
def test_what_has_no_window_stays_nan(name, reads):
    for at in range(reads):
        live = getattr(m5mem, name)()
        for i in range(60):
            live.update(*[100.0 + i % 7] * reads)
        row = [101.0] * reads
        row[at] = math.nan
        live.update(*row)
        for i in range(5):
            live.update(*[100.0 + i] * reads)
        assert np.isnan(live.value).all(), f"input {at} was passed over"


def test_in_a_buffer():
    """Each reads what it is defined on, and follows the open candle."""
    r = np.random.default_rng(2)
    close = 100 + r.normal(size=200).cumsum()
    data = np.c_[close, close + r.random(200), close - r.random(200), close, 1 + r.random(200)]
    buffer = m5mem.CandleBuffer(64)
    made = {
        "adx": m5mem.ADX(5),
        "stoch": m5mem.Stoch(),
        "obv": m5mem.OBV(),
        "cci": m5mem.CCI(5),
        "mfi": m5mem.MFI(5),
        "williams_r": m5mem.WilliamsR(5),
        "donchian": m5mem.Donchian(5),
        "keltner": m5mem.Keltner(5, 5),
        "vwap_bands": m5mem.VWAPBands(5),
    }
    for indicator in made.values():
        buffer.attach(indicator)
    for row in data:
        buffer.append(*(row * 0.9))
        buffer.update_last(*row)
    high, low, close, volume = data[:, 1:].T
    typical = (high + low + close) / 3
    wanted = {
        "adx": batch.adx(high, low, close, 5),
        "stoch": batch.stoch(high, low, close),
        "obv": batch.obv(close, volume),
        "cci": batch.cci(high, low, close, 5),
        "mfi": batch.mfi(high, low, close, volume, 5),
        "williams_r": batch.williams_r(high, low, close, 5),
        "donchian": batch.donchian(high, low, 5),
        "keltner": batch.keltner(high, low, close, 5, 5),
        "vwap_bands": batch.vwap_bands(typical, volume, 5),
    }
    for name, indicator in made.items():
        last = np.atleast_2d(np.asarray(wanted[name]))[:, -1]
        assert np.atleast_1d(indicator.value) == pytest.approx(last, rel=1e-9, abs=1e-9), name
        assert indicator.ready
    with pytest.raises(ValueError, match="leave field out"):
        buffer.attach(m5mem.ADX(), field="close")
    assert buffer.attach(m5mem.OBV(), field="open").value == pytest.approx(
        batch.obv(data[-64:, 0], data[-64:, 4])[-1]
    )
