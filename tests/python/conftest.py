"""Shared pieces: candles with and without surprises."""

import pytest


@pytest.fixture
def np():
    return pytest.importorskip("numpy")
