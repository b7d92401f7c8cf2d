"""From a leaking engine to Alertmanager's webhook: exporter, rules and alerts as one system.

Needs Debian's packages prometheus and prometheus-alertmanager, and m5 built (`M5` or target/debug/m5).
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
WANTED = {"MemoryUsageHigh", "GCPauseTimeHigh", "FDLeakDetected"}

# A heap that is long to walk, walked again and again; no short collections between, which would be most of them.
PAUSES = """
import gc
gc.disable()
heap = [[] for _ in range(8_000_000)]
while True:
    gc.collect()
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alerts}"]}}]}}]}}
scrape_configs: [{{job_name: m5, static_configs: [{{targets: ["127.0.0.1:{m5}"]}}]}}]
"""

ALERTMANAGER = """
route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: "http://127.0.0.1:{hook}/"}}]}}]
"""


def binary(name: str) -> str | None:
    """A program, also by Debian's longer name for it."""
    return shutil.which(name) or shutil.which(f"prometheus-{name}")


def m5() -> Path:
    """The m5 under test."""
    return Path(os.environ.get("M5") or ROOT / "target/debug/m5")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Hook(http.server.BaseHTTPRequestHandler):
    """Remembers the names of the alerts that fire."""

    fired: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Hook.fired |= {a["labels"]["alertname"] for a in body["alerts"] if a["status"] == "firing"}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def started():
    """Starts programs; ends them, however the test ends."""
    running: list[subprocess.Popen] = []

    def start(*command: object, **options: object) -> subprocess.Popen:
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
        running.append(process)
        return process

    yield start
    for process in reversed(running):
        process.terminate()
    for process in running:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(what: str, ready, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: fired so far {Hook.fired}"
        time.sleep(0.2)


def answers(port: int, path: str, word: str = "") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return word in answer.read().decode()
    except OSError:
        return False


def test_a_leaking_engine_reaches_the_webhook(tmp_path: Path, started) -> None:
    if not (binary("prometheus") and binary("alertmanager")):
        assert not os.environ.get("CI"), "CI must have prometheus and prometheus-alertmanager"
        pytest.skip("Debian's packages prometheus and prometheus-alertmanager are not installed")
    if not m5().exists():
        assert not os.environ.get("CI"), f"CI must have built {m5()}"
        pytest.skip(f"{m5()} is not built")
    ports = {name: free_port() for name in ("m5", "alerts", "prometheus")}
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    rules = subprocess.check_output([str(m5()), "rules", "--profile", "trading", "--lang", "en"], text=True)
    (tmp_path / "rules.yml").write_text(re.sub(r"for: \w+", "for: 2s", rules))
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.format(**ports))
    (tmp_path / "alerts.yml").write_text(ALERTMANAGER.format(hook=hook.server_port))

    engine = ("-m", "trading_engine", "--leak", "fd", "--leak-rate", "10")
    started(sys.executable, *engine, cwd=ROOT / "examples")
    script = tmp_path / "pauses.py"
    script.write_text(PAUSES)
    started(sys.executable, script)
    names = ("--name", "trading_engine", "--name", "pauses")
    started(m5(), "serve", "--listen", f"127.0.0.1:{ports['m5']}", "--interval", "500ms", *names)
    started(
        binary("alertmanager"), f"--config.file={tmp_path}/alerts.yml", f"--storage.path={tmp_path}/am",
        f"--web.listen-address=127.0.0.1:{ports['alerts']}", "--cluster.listen-address=",
    )  # fmt: skip
    started(
        binary("prometheus"), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/db",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    )  # fmt: skip
    wait_for("the exporter", lambda: answers(ports["m5"], "/metrics", "process_memory_rss_bytes"))
    wait_for("the alerts", lambda: Hook.fired >= WANTED)
    hook.shutdown()
