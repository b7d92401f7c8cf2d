"""What an exporter of a thousand processes costs: m5 serve beside Debian's process exporter and one with psutil.

    python bench/serve/run.py            1,000 processes, ten minutes
    python bench/serve/run.py --quick    200 processes, two minutes

Exporters take turns on the same processes. Each is first scraped every 15 seconds, as Prometheus does, for its
processor time and memory, then scraped again and again for the time that a scrape takes. Trust the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
M5 = os.environ.get("M5", str(ROOT / "target" / "release" / "m5"))
OUT = ROOT / "out" / "bench"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SCRAPE_EVERY = 15.0
# Seconds of scrapes in a row, and how many of them there are at least.
PATIENCE, FEWEST = 20.0, 5
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
# By process and by pid, without threads, so that it does what the others do.
PROCESS_EXPORTER = 'process_names:\n  - name: "{{.PID}}"\n    cmdline:\n      - crowd.py\n'
Values = dict[str, Any]


@contextmanager
def crowd(number: int) -> Iterator[None]:
    """The processes that are watched."""
    command = [sys.executable, "-S", "-E", str(HERE / "crowd.py"), str(number)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        process.stdout.readline()
        yield
    finally:
        process.stdin.close()
        process.wait()


def rivals(port: int, folder: Path) -> dict[str, list[str]]:
    """How each exporter is started; those that are not installed are named and left out."""
    commands = {
        "m5 serve": [M5, "serve", "--listen", f"127.0.0.1:{port}", "--name", "crowd*"],
        "psutil": [sys.executable, str(HERE / "psutil_exporter.py"), str(port)],
    }
    debian = shutil.which("prometheus-process-exporter")
    if debian:
        config = folder / "process-exporter.yml"
        config.write_text(PROCESS_EXPORTER)
        commands["process-exporter"] = [
            debian, "-config.path", str(config), "-web.listen-address", f"127.0.0.1:{port}", "-threads=false",
        ]  # fmt: skip
    else:
        print("left out: process-exporter (apt install prometheus-process-exporter)")
    try:
        import prometheus_client  # noqa: F401
        import psutil  # noqa: F401
    except ImportError as error:
        print(f"left out: psutil exporter ({error})")
        del commands["psutil"]
    return commands


def scrape(port: int) -> tuple[float, int, str]:
    """Seconds, bytes on the wire, and the first bytes of the answer."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers=HEADERS)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"a scrape was answered with {answer.status}")
    return time.perf_counter() - begin, len(body), answer.getheader("Content-Encoding", "")


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


@contextmanager
def exporter(command: list[str], port: int) -> Iterator[int]:
    """A running exporter that answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                scrape(port)
                break
            if process.poll() is not None or time.monotonic() > limit:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def measure(command: list[str], port: int, seconds: float, scrapes: int) -> Values:
    """One turn of one exporter."""
    with exporter(command, port) as pid:
        # The first round finds the processes; it is part of no steady state.
        time.sleep(SCRAPE_EVERY)
        scrape(port)
        begin, spent = time.monotonic(), cpu_seconds(pid)
        while time.monotonic() - begin < seconds:
            time.sleep(SCRAPE_EVERY)
            scrape(port)
        cpu = (cpu_seconds(pid) - spent) / (time.monotonic() - begin)
        peak = rss(pid)
        answers, end = [], time.monotonic() + PATIENCE
        while len(answers) < scrapes and (time.monotonic() < end or len(answers) < FEWEST):
            answers.append(scrape(port))
            time.sleep(0.02)
        return {
            "cpu": cpu,
            "rss": max(peak, rss(pid)),
            "times": [a[0] for a in answers],
            "bytes": answers[-1][1],
            "encoding": answers[-1][2],
        }


def quantile(values: list[float], q: float) -> float:
    """By nearest rank."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def summary(turns: list[Values]) -> Values:
    """Medians over the turns; scrape times over all of them."""
    times = [t for turn in turns for t in turn["times"]]
    return {
        "cpu_ratio": statistics.median(t["cpu"] for t in turns),
        "rss_bytes": statistics.median(t["rss"] for t in turns),
        "scrape_p50_seconds": quantile(times, 0.5),
        "scrape_p99_seconds": quantile(times, 0.99),
        "scrapes": len(times),
        "wire_bytes": turns[-1]["bytes"],
        "encoding": turns[-1]["encoding"],
    }


def table(all_of_them: dict[str, Values]) -> str:
    """Figures, and how many times m5's the others are."""
    ours = all_of_them["m5 serve"]
    lines = [
        f"{'':18}{'CPU of a core':>22}{'RSS':>22}{'scrape P50':>22}{'scrape P99':>22}{'on the wire':>14}"
    ]
    columns = [
        ("cpu_ratio", 100.0, "%"),
        ("rss_bytes", 1 / 2**20, "MiB"),
        ("scrape_p50_seconds", 1e3, "ms"),
        ("scrape_p99_seconds", 1e3, "ms"),
    ]
    for name, values in all_of_them.items():
        line = f"{name:18}"
        for key, factor, unit in columns:
            ratio = f" ({values[key] / ours[key]:.1f}×)" if name != "m5 serve" and ours[key] else ""
            line += f"{values[key] * factor:.2f} {unit}{ratio}".rjust(22)
        lines.append(line + f"{values['wire_bytes'] / 1024:.0f} KiB".rjust(14))
    return "\n".join(lines)


def main() -> int:
    """Measures, prints, and writes out/bench/serve.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--rounds", type=int)
    args = parser.parse_args()
    number = args.processes or (200 if args.quick else 1000)
    rounds = args.rounds or (1 if args.quick else 3)
    seconds, scrapes = (15.0, 30) if args.quick else (45.0, 100)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, crowd(number):
        commands = rivals(port, Path(folder))
        turns: dict[str, list[Values]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                turns[name].append(measure(command, port, seconds, scrapes))
                print(".", end="", flush=True)
    results = {name: summary(values) for name, values in turns.items()}
    print(f"\n{number} processes, a scrape every {SCRAPE_EVERY:g} s, median of {rounds}\n{table(results)}")
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "serve.json"
    path.write_text(
        json.dumps({"processes": number, "rounds": rounds, "exporters": results}, indent=2) + "\n"
    )
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
