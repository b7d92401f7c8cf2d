"""What the documentation says is what the package does."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

import m5mem

ROOT = Path(__file__).parents[2]
needs_tree = pytest.mark.skipif(not (ROOT / "docs" / "m5mem").exists(), reason="needs the repository")


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_tree
def test_each_page_is_in_the_book_and_each_link_leads_somewhere():
    book = script("book")
    made = book.pages()
    for page, text in made.items():
        for target in book.LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            if not book.OUTSIDE.match(target[1]):
                place = Path(os.path.normpath(page.parent / target[1].partition("#")[0]))
                there = place.suffix == ".png" and (ROOT / "docs" / place).is_file()
                assert place in made or there or place.name == "commands.md", (page, target[1])


@needs_tree
@pytest.mark.skipif(
    sys.version_info[:2] != (3, 13), reason="signatures are written a little differently by each version"
)
def test_the_reference_is_up_to_date():
    module = script("api_reference")
    assert module.PAGE.read_text() == module.page(), "run scripts/api_reference.py"


@needs_tree
def test_the_cookbook_begins_as_it_says():
    pytest.importorskip("pandas")
    text = (ROOT / "docs" / "m5mem" / "cookbook.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    mine = next(b for b in blocks if "market_data = {" in b)
    names = {}
    exec(mine, names)
    buffer = names["market_data"]["BTC"]
    for i in range(5):
        buffer.push_tick(60 * i, 100.0 + i, 1.0)
        assert names["get_market_data_window"]("BTC", 3)["close"].iloc[-1] == 100.0 + i
    assert names["get_market_data_window"].cache_info().currsize == 1
    attached = next(b for b in blocks if "attach(ATR" in b)
    exec(attached, {**names, "ts": 600, "price": 1.0, "qty": 1.0})


def test_each_indicator_says_what_a_nan_and_an_infinity_do():
    kinds = [k for k in vars(m5mem).values() if isinstance(k, type) and issubclass(k, m5mem.Indicator)]
    functions = [getattr(m5mem.indicators, name) for name in m5mem.indicators.__all__]
    assert len(kinds) == len(functions) + 1  # and the base of all
    for thing in [k for k in kinds if k is not m5mem.Indicator] + functions:
        assert "NaN" in thing.__doc__ and "infinity" in thing.__doc__, thing
