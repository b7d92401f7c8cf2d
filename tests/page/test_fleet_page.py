"""The page of several processes: cards on a phone, a filter, an order, languages, and the same numbers everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from browser import Browser, Tab, chromium, until

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "page"
HTML = ROOT / "crates" / "report" / "src" / "html"
DASHBOARD = ROOT / "deploy" / "grafana" / "m5-dashboard.json"

# Keeps so many MiB, and stands still: two looks at it see the same.
STILL = "import sys; kept = bytearray(b'x') * (int(sys.argv[1]) << 20); print('ready', flush=True); sys.stdin.read()"
NAMES = {"引擎": 60, "gateway": 20, "reports": 5}


def m5() -> Path:
    """The m5 under test."""
    return Path(os.environ.get("M5") or ROOT / "target/debug/m5")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory):
    for missing in (not chromium() and "chromium", not m5().exists() and str(m5())):
        if missing:
            assert not os.environ.get("CI"), f"CI must have {missing}"
            pytest.skip(f"{missing} is not there")
    folder = tmp_path_factory.mktemp("fleet")
    running = []
    for name, size in NAMES.items():
        program = folder / f"{name}.py"
        program.write_text(STILL)
        command = [sys.executable, program, str(size)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout.readline() == "ready\n"
    pids = [word for process in running for word in ("-p", str(process.pid))]
    command = [m5(), "serve", "--lang", "en", *pids, "--listen", "127.0.0.1:0", "--interval", "300ms"]
    exporter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = exporter.stderr.readline().split("serving on ")[1].split(" ")[0]
    until("all are sampled", lambda: len((page(address) or {}).get("processes", [])) == len(NAMES))
    yield address, {name: process.pid for name, process in zip(NAMES, running, strict=True)}
    exporter.terminate()
    exporter.wait()
    for process in running:
        process.communicate("")


@pytest.fixture(scope="module")
def tab(fleet: object, tmp_path_factory: pytest.TempPathFactory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    one = browser.tab()
    yield one
    one.close()
    browser.close()


def page(address: str) -> dict:
    with urllib.request.urlopen(f"{address}data/processes.json", timeout=10) as answer:
        return json.load(answer)


def names(tab: Tab) -> list[str]:
    """The services in the table, in their order."""
    return tab.evaluate("[...document.querySelectorAll('#overview td.of-service')].map(e => e.innerText)")


def sort(tab: Tab, column: int) -> None:
    tab.evaluate(f"document.querySelectorAll('#overview th button')[{column}].click()")


def test_a_phone_shows_every_column_of_every_process(fleet: tuple, tab: Tab) -> None:
    tab.show(fleet[0], width=390)
    tab.screenshot(OUT / "fleet-phone.png")
    outside = """[...document.querySelectorAll('#overview td')].filter(cell => {
        const box = cell.getBoundingClientRect();
        return box.width < 1 || box.left < 0 || box.right > window.innerWidth;
    }).length"""
    assert tab.evaluate(outside) == 0
    labels = "[...document.querySelectorAll('#overview tbody tr:first-child td')].map(e => e.dataset.label)"
    assert {"PID", "CPU", "resident memory", "up for", "next command"} <= set(tab.evaluate(labels))
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    # Nobody said how much memory these may use: nothing is above that.
    assert "above the objective" not in tab.evaluate("document.getElementById('processes').innerText")
    assert "m5 why -p" in tab.evaluate("document.querySelector('#overview .of-command').innerText")


def test_order_and_filter_hold_while_it_goes_on(fleet: tuple, tab: Tab) -> None:
    address, pids = fleet
    tab.show(address, width=1280)
    tab.screenshot(OUT / "fleet.png")
    assert names(tab) == ["引擎", "gateway", "reports"]
    sort(tab, 0)
    assert names(tab)[0] == "gateway"
    sort(tab, 4)
    assert names(tab) == ["引擎", "gateway", "reports"]
    sort(tab, 4)
    assert names(tab) == ["reports", "gateway", "引擎"]
    type_into = (
        "(f => { f.value = '%s'; f.dispatchEvent(new Event('input')); })(document.getElementById('filter'))"
    )
    tab.evaluate(type_into % "引")
    assert names(tab) == ["引擎"]
    before = tab.evaluate("document.documentElement.dataset.drawn")
    until("it goes on", lambda: tab.evaluate("document.documentElement.dataset.drawn") != before)
    assert names(tab) == ["引擎"]
    tab.evaluate(type_into % pids["gateway"])
    assert names(tab) == ["gateway"]
    tab.evaluate(type_into % "")
    assert tab.complaints == []


def test_the_language_of_the_address_wins_and_the_button_changes_it(fleet: tuple, tab: Tab) -> None:
    tab.show(fleet[0] + "?lang=zh", lang="en")
    tab.screenshot(OUT / "fleet-zh.png")
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    tab.evaluate("document.getElementById('lang').click()")
    assert tab.evaluate("[document.documentElement.lang, location.search]") == ["en", "?lang=en"]


def test_numbers_and_words_are_those_of_the_terminal(fleet: tuple, tab: Tab) -> None:
    tab.show(fleet[0])
    texts = (HTML / "texts.js").read_text()
    for what, value, text in json.loads((HTML / "units.json").read_text()):
        said = tab.evaluate(
            f"(() => {{ const WORDS = {{}}; {texts}; return {what}({json.dumps(value)}); }})()"
        )
        assert said == text, (what, value)
    command = [m5(), "list", "--json", *(word for name in NAMES for word in ("--name", name))]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["processes"]
    shown = {process["pid"]: process for process in page(fleet[0])["processes"]}
    for process in (p for p in listed if p["pid"] in shown):
        one = shown[process["pid"]]
        assert (one["service"], one["rss_bytes"]) == (process["name"], process["rss_bytes"])


def test_the_dashboard_draws_the_numbers_of_the_page(fleet: tuple) -> None:
    def same_round() -> tuple[dict, str] | None:
        before = page(fleet[0])
        metrics = urllib.request.urlopen(fleet[0] + "metrics", timeout=10).read().decode()
        return (
            (before, metrics) if page(fleet[0])["made_unix_seconds"] == before["made_unix_seconds"] else None
        )

    shown, metrics = until("both of one round", same_round)
    drawn = {
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    }

    def exported(name: str, service: str, **labels: str) -> float:
        """The value of a metric that a panel of the dashboard draws."""
        assert any(name in expression for expression in drawn), name
        wanted = [f'service="{service}"', *(f'{label}="{value}"' for label, value in labels.items())]
        lines = [line for line in metrics.splitlines() if re.match(name + r"\{", line)]
        found = [line for line in lines if all(label in line for label in wanted)]
        assert len(found) == 1, (name, wanted, found)
        return float(found[0].rsplit(" ", 1)[1])

    for process in shown["processes"]:
        service = process["service"]
        assert exported("process_memory_rss_bytes", service) == process["rss_bytes"]
        assert exported("process_open_fds", service) == sum(process["fds"].values())
        assert exported("m5_growth_verdict", service, verdict=process["memory"]["verdict"]) == 1
        for generation, count in enumerate(process["collections"]):
            name = "gc_collections_by_generation_total"
            assert exported(name, service, generation=str(generation)) == count
