"""The page in a real browser: live from an exporter, and saved as one file.

Needs Debian's package chromium, and m5 built (`M5` or target/debug/m5). Pictures go to out/page.
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from browser import Browser, Tab, chromium, until

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "page"
SECRET = "hunter2-s3cret"

# Collections of every generation, memory that comes and goes, descriptors that come, a connection, and a secret to keep.
PROGRAM = """
import gc, os, socket, sys, time
files, kept, n = [], [], 0
listening = socket.create_server(("127.0.0.1", 0))
ends = socket.create_connection(listening.getsockname()), listening.accept()
print('ready', flush=True)
while True:
    n += 1
    kept.append([[i] for i in range(20_000)])
    if n % 8 == 0:
        kept.clear()
        gc.collect()
    if n % 10 == 0 and len(files) < 40:
        files.append(open(os.devnull))
    time.sleep(0.02)
"""

DARK, LIGHT = "rgb(18, 21, 28)", "rgb(245, 246, 248)"


def m5() -> Path:
    """The m5 under test."""
    return Path(os.environ.get("M5") or ROOT / "target/debug/m5")


@pytest.fixture(scope="module")
def tools() -> None:
    if not chromium():
        assert not os.environ.get("CI"), "CI must have chromium"
        pytest.skip("Debian's package chromium is not installed")
    if not m5().exists():
        assert not os.environ.get("CI"), f"CI must have built {m5()}"
        pytest.skip(f"{m5()} is not built")


@pytest.fixture(scope="module")
def target(tools: None):
    environment = {**os.environ, "API_KEY": SECRET}
    command = [sys.executable, "-c", PROGRAM, f"--password={SECRET}", SECRET]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def serve(target: subprocess.Popen) -> list[str | Path]:
    """An exporter that sees every pause, whatever that costs the target."""
    where = ("--listen", "127.0.0.1:0", "--max-overhead", "100%")
    return [m5(), "serve", "--lang", "en", "-p", str(target.pid), *where]


@pytest.fixture(scope="module")
def exporter(target: subprocess.Popen):
    process = subprocess.Popen([*serve(target), "--interval", "200ms"], stderr=subprocess.PIPE, text=True)
    address = process.stderr.readline().split("serving on ")[1].split(" ")[0]
    until("pauses are seen", lambda: b'"latest":[[' in data(address), 60)
    yield address
    process.terminate()
    process.wait()


def data(address: str) -> bytes:
    with urllib.request.urlopen(f"{address}data/processes.json", timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def browser(tools: None, tmp_path_factory: pytest.TempPathFactory):
    running = Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def tab(browser: Browser):
    one = browser.tab()
    yield one
    one.close()


def check(tab: Tab, origin: str, words: set[str], background: str) -> None:
    """What holds for every page, whoever reads it."""
    text = tab.evaluate("document.body.innerText")
    assert any(word in text for word in words), text
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == background
    # A line for memory, a floor, dots of pauses, bars of the histogram, with text on both axes.
    for what in ("path.main", "path.floor", "circle", "rect", "svg text"):
        assert tab.evaluate(f"document.querySelectorAll('figure {what}').length") > 0, what
    charts = tab.evaluate(
        "[...document.querySelectorAll('figure')].map(f => f.querySelectorAll('svg').length)"
    )
    assert charts == [1, 1, 1, 1, 1], charts
    assert "NaN" not in tab.evaluate("document.getElementById('processes').innerHTML")
    assert "undefined" not in text and "null" not in text and "NaN" not in text
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (
        "it scrolls sideways"
    )
    assert SECRET not in tab.evaluate("document.documentElement.outerHTML")
    # A count is a whole number, grouped by thousands.
    counts = tab.evaluate("[...document.querySelectorAll('.figures .long b')].map(e => e.textContent)")
    assert counts and any(re.fullmatch(r"[\d,]+( · [\d,]+){2}", count) for count in counts), counts
    # Who listens is no connection: the number is that of `active_connections`.
    shown = tab.evaluate("[...document.querySelectorAll('.figures > div')].map(e => e.textContent)")
    assert {"2connections", "2连接"} & set(shown), shown
    assert tab.complaints == []
    strangers = [url for url in tab.requests if not url.startswith((origin, "data:"))]
    assert strangers == []


EN = {"flat", "growing", "saturating", "step", "insufficient"}
ZH = {"平稳", "增长", "趋于饱和", "阶跃", "数据不足"}


@pytest.mark.parametrize(
    ("name", "lang", "dark", "width"),
    [
        ("en-light", "en", False, 1280),
        ("zh-dark", "zh", True, 1280),
        ("en-phone", "en", True, 390),
        ("zh-phone", "zh", False, 390),
    ],
)
def test_live_page(exporter: str, tab: Tab, name: str, lang: str, dark: bool, width: int) -> None:
    tab.show(exporter, width=width, dark=dark, lang=lang)
    until("charts are drawn", lambda: tab.evaluate("document.querySelectorAll('figure svg').length") >= 5)
    tab.screenshot(OUT / f"live-{name}.png")
    check(tab, exporter, ZH if lang == "zh" else EN, DARK if dark else LIGHT)
    served = urllib.request.urlopen(exporter + "metrics", timeout=10).read().decode()
    assert SECRET not in served and SECRET not in data(exporter).decode()


def test_it_follows_its_exporter(exporter: str, tab: Tab) -> None:
    tab.show(exporter)
    drawn = "document.documentElement.dataset.drawn"
    before = tab.evaluate(drawn)
    until("newer values are drawn", lambda: tab.evaluate(drawn) != before)
    tab.evaluate("document.getElementById('lang').click()")
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    assert any(word in tab.evaluate("document.body.innerText") for word in ZH)


def test_values_under_the_pointer(exporter: str, tab: Tab) -> None:
    tab.show(exporter)
    until("charts are drawn", lambda: tab.evaluate("document.querySelectorAll('figure svg').length") >= 5)
    for number in range(5):
        box = f"document.querySelectorAll('figure svg')[{number}].getBoundingClientRect()"
        tab.evaluate(f"document.querySelectorAll('figure svg')[{number}].scrollIntoView()")
        place = tab.evaluate(f"(b => [b.left + b.width * 0.6, b.top + b.height / 2])({box})")
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
        words = tab.evaluate("document.querySelector('.tip')?.innerText")
        if number == 0:
            tab.screenshot(OUT / "hover.png")
        assert words and any(digit in words for digit in "0123456789"), number
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert tab.complaints == []


@pytest.mark.parametrize("command", ["baseline", "gc"])
def test_saved_page(target: subprocess.Popen, tab: Tab, tmp_path: Path, command: str) -> None:
    file = tmp_path / "page.html"
    words = [
        m5(),
        command,
        "-p",
        str(target.pid),
        "-d",
        "4s",
        "--html",
        file,
        "--lang",
        "en",
        "-o",
        tmp_path / "report",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    assert list(tmp_path.glob("*.tmp")) == []
    tab.show(file.as_uri())
    tab.screenshot(OUT / f"saved-{command}.png")
    check(tab, "file://", EN, LIGHT)
    assert [url for url in tab.requests if url.startswith("file:")] == [file.as_uri()]


def keep(target: subprocess.Popen, history: Path) -> None:
    """Lets an exporter keep a few samples, and kills it in the middle."""
    command = [*serve(target), "--interval", "100ms", "--history", history]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = process.stderr.readline().split("serving on ")[1].split(" ")[0]

    def kept() -> bool:
        page = json.loads(data(address))
        if not (page and page["processes"]):
            return False
        process = page["processes"][0]
        times = process["samples"]["t"]
        return len(times) >= 20 and any(
            times[0] < pause[0] < times[-2] for pause in (process["pauses"] or {"latest": []})["latest"]
        )

    until("samples and pauses are kept", kept)
    process.kill()
    process.wait()


def page_of(history: Path, lang: str) -> Path:
    file = history.with_suffix(".html")
    words = [
        m5(),
        "baseline",
        "--from-history",
        history,
        "--html",
        file,
        "--lang",
        lang,
        "-o",
        history.with_suffix(".txt"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return file


def test_saved_from_a_history(target: subprocess.Popen, tab: Tab, tmp_path: Path) -> None:
    keep(target, tmp_path / "history.db")
    tab.show(page_of(tmp_path / "history.db", "zh").as_uri(), dark=True)
    tab.screenshot(OUT / "saved-history.png")
    check(tab, "file://", ZH, DARK)


@pytest.mark.parametrize(("lang", "word"), [("en", "growing"), ("zh", "增长")])
def test_a_leak_is_named_with_the_next_step(
    target: subprocess.Popen, tab: Tab, tmp_path: Path, lang: str, word: str
) -> None:
    file = tmp_path / "history.db"
    keep(target, file)
    grow(file)
    tab.show(page_of(file, lang).as_uri())
    tab.screenshot(OUT / f"leak-{lang}.png")
    assert tab.evaluate("document.querySelector('.verdict').innerText") == word
    assert "m5 snapshot" in tab.evaluate("document.querySelector('.next').innerText")
    assert tab.evaluate("document.querySelectorAll('path.dash').length") >= 1, "the trend of the floor"


def test_live_charts_go_on_with_the_last_day(target: subprocess.Popen, tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    keep(target, file)
    grow(file)
    command = [*serve(target), "--interval", "200ms", "--history", file]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stderr.readline().split("serving on ")[1].split(" ")[0]
        shown = until("it samples", lambda: (json.loads(data(address)) or {}).get("processes"))[0]["samples"]
        assert 7 * 3600 < shown["t"][-1] - shown["t"][0] < 9 * 3600, (shown["t"][0], shown["t"][-1])
        assert len(shown["t"]) > 50 and shown["rss_bytes"][0] < shown["rss_bytes"][len(shown["t"]) // 2]
        tab.show(address)
        until("charts are drawn", lambda: tab.evaluate("document.querySelectorAll('figure svg').length") >= 1)
        words = "[...document.querySelector('figure svg').querySelectorAll('text')].map(e => e.textContent)"
        times = [word for word in tab.evaluate(words) if re.fullmatch(r"\d\d:\d\d", word)]
        assert len(set(times)) >= 3, times
        assert tab.complaints == []
    finally:
        process.kill()
        process.wait()


def grow(file: Path) -> None:
    """Puts eight hours of a steady leak before what was kept, by what any SQL tool can do."""
    with sqlite3.connect(file) as history:
        columns = [row[1] for row in history.execute("PRAGMA table_info(samples)")]
        marks = ", ".join("?" * len(columns))
        history.row_factory = sqlite3.Row
        first = dict(history.execute("SELECT * FROM samples ORDER BY t_ns LIMIT 1").fetchone())
        noise = random.Random(7)
        for i in range(1, 1921):
            row = {**first, "t_ns": first["t_ns"] - i * 15_000_000_000}
            for name in ("rss_bytes", "anon_bytes"):
                row[name] = int(first[name] + 600 * 2**20 - i * 2**18 + noise.gauss(0, 2**20))
            for name in ("gc0_collections", "gc1_collections", "gc2_collections"):
                row[name] = max(0, 20_000 - i * 10)
            history.execute(f"INSERT INTO samples VALUES ({marks})", [row[name] for name in columns])
        history.execute("DELETE FROM samples WHERE t_ns >= ?", [first["t_ns"]])
        for number, text in history.execute("SELECT id, record FROM processes").fetchall():
            record = {**json.loads(text), "started_unix_seconds": first["t_ns"] / 1e9 - 40_000}
            history.execute("UPDATE processes SET record = ? WHERE id = ?", [json.dumps(record), number])
