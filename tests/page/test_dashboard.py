"""Every panel of the Grafana dashboard, asked of a real Prometheus, beside the page of the same exporter."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from browser import until

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "m5-dashboard.json"
FAMILIES = ROOT / "crates" / "agent" / "src" / "exporter" / "families.rs"

# Its levels stand still; it collects and uses a processor all the time.
PROGRAM = """
import gc, socket, sys
kept = [bytearray(b'x' * (1 << 20)) for _ in range(30)]
listening = socket.create_server(("127.0.0.1", 0))
ends = [socket.create_connection(listening.getsockname()) for _ in range(3)]
others = [listening.accept()[0] for _ in range(3)]
print('ready', flush=True)
while True:
    gc.collect(0)
    gc.collect()
    sum(range(20_000))
"""
SCRAPES = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: m5, static_configs: [{{targets: ["{address}"]}}]}}]
"""
# Functions and words of a query that are no names of metrics.
WORDS = {"by", "rate", "sum", "on", "le", "service", "slot", "instance", "histogram_quantile"}


def m5() -> Path:
    """The m5 under test."""
    return Path(os.environ.get("M5") or ROOT / "target/debug/m5")


def get(address: str, **asked: str) -> dict:
    query = f"?{urllib.parse.urlencode(asked)}" if asked else ""
    with urllib.request.urlopen(address + query, timeout=30) as answer:
        return json.load(answer)


def panels() -> dict[str, list[str]]:
    """The queries of each panel, for all instances and services."""
    shown = json.loads(DASHBOARD.read_text())["panels"]
    every = [(p["title"], [t["expr"] for t in p["targets"]]) for p in shown if p.get("targets")]
    return {title: [re.sub(r"\$\w+", ".*", e) for e in queries] for title, queries in every}


def test_what_the_dashboard_asks_for_is_exported() -> None:
    exported = FAMILIES.read_text()
    queries = [query for queries in panels().values() for query in queries]
    assert len(queries) > 10
    for query in queries:
        names = (
            set(re.findall(r"[a-z][a-z0-9_]+", re.sub(r"\{.*?\}|\[.*?\]|\(instance.*?\)", "", query))) - WORDS
        )
        assert names, query
        for name in names:
            assert re.sub(r"_(bucket|sum|count)$", "", name) in exported, (name, query)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory):
    """The exporter's address and Prometheus', with a service between them."""
    for missing in (not shutil.which("prometheus") and "prometheus", not m5().exists() and str(m5())):
        if missing:
            assert not os.environ.get("CI"), f"CI must have {missing}"
            pytest.skip(f"{missing} is not there")
    folder = tmp_path_factory.mktemp("dashboard")
    running: list[subprocess.Popen] = []

    def start(*words: object, **more: object) -> subprocess.Popen:
        running.append(subprocess.Popen([str(w) for w in words], text=True, **more))
        return running[-1]

    try:
        service = start(sys.executable, "-c", PROGRAM, stdout=subprocess.PIPE)
        assert service.stdout.readline() == "ready\n"
        where = ("-p", service.pid, "--listen", "127.0.0.1:0", "--interval", "500ms")
        exporter = start(m5(), "serve", "--lang", "en", *where, stderr=subprocess.PIPE)
        address = exporter.stderr.readline().split("serving on ")[1].split(" ")[0]
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        (folder / "p.yml").write_text(SCRAPES.format(address=urllib.parse.urlsplit(address).netloc))
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        start(
            "prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/db",
            f"--web.listen-address=127.0.0.1:{port}", **silent,
        )  # fmt: skip
        yield address, f"http://127.0.0.1:{port}/api/v1/query"
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def values(prometheus: str, query: str) -> list[tuple[dict, float]]:
    """What a panel would draw now; nothing where there is nothing yet, or no Prometheus yet."""
    try:
        answer = get(prometheus, query=query)
    except (urllib.error.HTTPError, OSError) as error:
        assert not isinstance(error, urllib.error.HTTPError) or error.code == 503, (query, error.read())
        return []
    assert answer["status"] == "success", answer
    all_of_them = [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]
    return [
        (labels, value) for labels, value in all_of_them if value == value
    ]  # a rate of nothing is no number


def test_each_panel_draws_what_the_page_says(watched: tuple[str, str]) -> None:
    address, prometheus = watched
    asked = panels()
    # A forecast, a growth and a cgroup with a limit are not there in the first minute, or not on every machine.
    later = {"Growth of the floor (MB a minute)", "Floor in 24 h", "Cgroup memory against its limit"}
    drawn = {
        title: [
            until(query, lambda q=query, t=title: t in later or values(prometheus, q), 120)
            for query in queries
        ]
        for title, queries in asked.items()
    }
    for title in later:
        for query in asked[title]:
            values(prometheus, query)
    shown = get(f"{address}data/processes.json")["processes"][0]
    first = {title: found[0] for title, found in drawn.items() if title not in later}
    ((labels, rss),) = first["Resident memory"]
    assert labels["service"] == shown["service"]
    assert abs(rss - shown["rss_bytes"]) < 0.05 * rss, (rss, shown["rss_bytes"])
    assert [(v["verdict"], n) for v, n in first["Verdict (1 = it holds)"]] == [
        (shown["memory"]["verdict"], 1.0)
    ]
    assert first["Open descriptors"][0][1] == sum(shown["fds"].values())
    states = {labels["state"]: n for labels, n in first["Connections by state"] if n}
    assert {name.lower(): n for name, n in states.items()} == {
        name.lower(): n for name, n in shown["connections"].items() if n
    }
    (pauses,), (collections,), (cpu,) = (asked[t] for t in ("GC pause P95", "Collections a second", "CPU"))
    until("pauses", lambda: any(n > 0 for _, n in values(prometheus, pauses)))
    until("CPU", lambda: any(0 < n <= 1.5 for _, n in values(prometheus, cpu)))
    rates = lambda: {labels["generation"] for labels, n in values(prometheus, collections) if n > 0}
    until("collections of both generations", lambda: rates() >= {"0", "2"})
