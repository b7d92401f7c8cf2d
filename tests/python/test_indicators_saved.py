"""Indicators in pickles and copies go on from what they came to, to the last bit; what cannot be saved says so."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem

pytest.importorskip("numpy")
from test_indicators import ANY, ARGUMENTS, MAKERS, alike, rows_for

ROW = st.tuples(ANY, ANY, ANY, ANY, st.booleans())
WAYS = {
    "pickle": lambda i: pickle.loads(pickle.dumps(i)),
    "protocol 2": lambda i: pickle.loads(pickle.dumps(i, 2)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("nan", ["propagate", "skip"])
@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9), st.lists(ROW, max_size=30), st.lists(ROW, max_size=20), st.sampled_from(sorted(WAYS))
)
def test_a_copy_goes_on_as_if_nothing_had_happened(name, nan, period, before, after, way):
    arguments = ARGUMENTS.get(name, lambda p: (p,))(period)
    live = type(MAKERS[name](period))(*arguments, nan=nan)

    def feed(indicator, rows):
        for *row, replaces in rows:
            (numbers,) = rows_for(name, [tuple(row)])
            (indicator.replace if replaces else indicator.update)(*numbers)

    feed(live, before)
    other = WAYS[way](live)
    assert type(other) is type(live) and repr(other) == repr(live) and other.lookback == live.lookback
    assert alike(other.value, live.value) and other.ready == live.ready
    for i in range(len(after)):
        feed(live, after[i : i + 1])
        feed(other, after[i : i + 1])
        assert alike(other.value, live.value) and other.ready == live.ready


def test_a_copy_is_attached_to_nothing_and_may_be():
    buffer = m5mem.CandleBuffer(10)
    first = buffer.attach(m5mem.SMA(2))
    for price in (1.0, 2.0, 4.0):
        buffer.append(price, price, price, price, 1)
    second = copy.copy(first)
    buffer.append(8.0, 8.0, 8.0, 8.0, 1)
    assert (first.value, second.value) == (6.0, 3.0)
    fresh = m5mem.CandleBuffer(10)
    assert fresh.attach(pickle.loads(pickle.dumps(first))) is fresh.indicators[0]


def test_a_torn_state_is_told():
    live = m5mem.SMA(3)
    for x in range(5):
        live.update(x)
    _, _, (number, state) = live.__reduce__()
    changed = bytes([state[0] ^ 1]) + state[1:]
    for torn in (b"", state[:-1], state[:-8], state + b"\0" * 8, changed):
        with pytest.raises(ValueError, match="no state of such an indicator"):
            m5mem.SMA(3).__setstate__((number, torn))
    for other in (m5mem.SMA(4), m5mem.EMA(3)):
        with pytest.raises(ValueError, match="no state of such an indicator"):
            other.__setstate__((number, state))
    with pytest.raises(ValueError, match="newer m5mem"):
        m5mem.SMA(3).__setstate__((2, state))
    unharmed = m5mem.SMA(1)
    with pytest.raises(ValueError, match="no state of such an indicator"):
        unharmed.__setstate__((number, state))
    assert unharmed.update(5) == 5.0
