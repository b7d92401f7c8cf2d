"""What looking costs: ratios with medians, in one command.

python bench/sampling/run.py [--quick]

1. CPU a sample, m5 beside psutil reading the same values of the same process.
2. The agent's own CPU and memory at 1 Hz on 1 and on 100 processes.
3. What the target loses while it is recorded, with and without the tracing of pauses.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from targets import Idle, Worker  # noqa: E402

M5 = os.environ.get("M5", str(ROOT / "target/release/m5"))
VENV = ROOT / "target/bench-venv"


def psutil_python() -> str:
    """An interpreter that has psutil; makes one beside the build where needed."""
    python = VENV / "bin/python"
    probe = [str(python), "-c", "import psutil"]
    if not python.exists() or subprocess.run(probe, capture_output=True, check=False).returncode:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "psutil"], check=True)
    return str(python)


def cpu_of(command: list[str]) -> float:
    """CPU seconds of a command, user and system, to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def m5_baseline(pids: list[int], seconds: float, interval: str, *more: str) -> list[str]:
    """The command of a recording."""
    words = [M5, "baseline", "-d", f"{int(seconds * 1000)}ms", "--interval", interval, "--json", *more]
    for pid in pids:
        words += ["-p", str(pid)]
    return words


def cost_of_a_sample(rounds: int, samples: int) -> None:
    """Both read the same process as often; what starting costs is taken off by a run with few samples."""
    python = psutil_python()
    reader = [python, str(HERE / "read_with_psutil.py")]
    ratios, ours, theirs = [], [], []
    few = max(2, samples // 20)
    with Idle() as target:
        for _ in range(rounds):

            def m5(n: int, pid: int = target.pid) -> float:
                return cpu_of(m5_baseline([pid], n * 0.01, "10ms", "--pauses", "false"))

            def psutil(n: int, pid: int = target.pid) -> float:
                return cpu_of([*reader, str(pid), str(n)])

            mine = (m5(samples) - m5(few)) / (samples - few)
            other = (psutil(samples) - psutil(few)) / (samples - few)
            ours.append(mine)
            theirs.append(other)
            ratios.append(other / mine)
    print("1. CPU a sample (memory, CPU, threads, switches, descriptors by kind, connections by state)")
    mine, other = (statistics.median(v) * 1e6 for v in (ours, theirs))
    spread = f"of {rounds}: {min(ratios):.1f} … {max(ratios):.1f}"
    print(
        f"   m5 {mine:.0f} µs, psutil {other:.0f} µs: psutil costs {statistics.median(ratios):.1f}x ({spread})"
    )


def memory_of(pid: int) -> list[float]:
    """Resident memory now and at its highest, MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]


def cpu_seconds(pid: int) -> float:
    """CPU of a running process so far: nanoseconds of its threads, not clock ticks."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def m5_serve(pids: list[int], *more: str) -> list[str]:
    """The command of an exporter."""
    words = [M5, "serve", "--listen", "127.0.0.1:0", "--interval", "1s", *more]
    for pid in pids:
        words += ["-p", str(pid)]
    return words


def agent(count: int, seconds: int) -> None:
    """The recording and the exporter of so many processes at 1 Hz, once they are under way."""
    targets = [Idle() for _ in range(count)]
    with contextlib.ExitStack() as running:
        for target in targets:
            running.enter_context(target)
        pids = [t.pid for t in targets]
        long = seconds + 30
        for what, command in (
            ("recording, counts only", m5_baseline(pids, long, "1s", "--pauses", "false")),
            ("recording, every pause traced", m5_baseline(pids, long, "1s", "--pauses", "true")),
            ("exporter, counts only", m5_serve(pids, "--max-overhead", "0")),
            ("exporter, every pause traced", m5_serve(pids)),
        ):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as m5:
                time.sleep(2 + count / 20)
                before = cpu_seconds(m5.pid)
                time.sleep(seconds)
                used = (cpu_seconds(m5.pid) - before) / seconds
                rss, peak = memory_of(m5.pid)
                m5.terminate()
                m5.wait()
            print(
                f"2. agent at 1 Hz on {count} processes, {what}: {used * 100:.2f} % of a core "
                f"({used / count * 100:.4f} % a process), RSS {rss:.1f} MiB (peak {peak:.1f})"
            )


def slowdown(rounds: int, seconds: float) -> None:
    """CPU a unit of work of a busy, collecting target, alone and recorded, in turn."""
    print("3. CPU a unit of the target's work, recorded / alone")
    with Worker() as target:
        for what, more in (("counts only", ["--pauses", "false"]), ("every pause traced", [])):
            ratios = []
            for _ in range(rounds):
                alone = target.measure(seconds)
                command = m5_baseline([target.pid], seconds + 30, "1s", *more)
                with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as m5:
                    time.sleep(0.7)
                    recorded = target.measure(seconds)
                    m5.terminate()
                    m5.wait()
                ratios.append(recorded / alone)
            spread = f"of {rounds}: {min(ratios):.4f} … {max(ratios):.4f}"
            print(f"   {what}: {statistics.median(ratios):.4f} ({spread})")


def main() -> int:
    """Everything, one after the other."""
    parser = argparse.ArgumentParser(description="What looking costs: ratios with medians.")
    parser.add_argument("--quick", action="store_true", help="a minute instead of several")
    quick = parser.parse_args().quick
    if not Path(M5).exists():
        print(f"{M5} is missing: cargo build --release -p m5-cli (or set M5=…)", file=sys.stderr)
        return 2
    cost_of_a_sample(rounds=3 if quick else 7, samples=200 if quick else 400)
    agent(1, 10 if quick else 30)
    agent(100, 10 if quick else 30)
    slowdown(rounds=3 if quick else 7, seconds=2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
