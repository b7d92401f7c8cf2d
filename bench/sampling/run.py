"""What looking costs: ratios with medians, in one command.

python bench/sampling/run.py [--quick] [--only sample|agent|target] [--debug]

1. CPU a sample, m5 beside psutil reading the same values of the same process.
2. The agent's own CPU and memory at 1 Hz on 1 and on 100 processes: recording, exporter and watchdog. Each is measured in
   parts; how far those differ is the noise. Aims: 0.05 % of a core for one process, 12 MiB for a hundred.
3. What the target loses while it is recorded, with and without the tracing of pauses.

M5=PATH measures another program. About eight minutes; --only agent, five.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
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


# What the agent is allowed, shares of a core for one process and MiB of RSS for a hundred.
CPU_AIM, RSS_AIM = 0.0005, 12.0


def memory_of(pid: int) -> dict[str, float]:
    """Resident memory, its highest so far, what of it is m5's own, and its proportional share; MiB."""
    text = Path(f"/proc/{pid}/status").read_text() + Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    names = {"RSS": "VmRSS", "peak": "VmHWM", "anonymous": "RssAnon", "PSS": "Pss"}
    return {name: int(fields[field].split()[0]) / 1024 for name, field in names.items()}


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


def agents(pids: list[int], seconds: int, folder: Path) -> list[tuple[str, list[str]]]:
    """The ways in which m5 stays with processes."""
    long = seconds + 60
    kept = ["--journal", str(folder / "journal"), "--evidence", str(folder)]
    watch = [M5, "watch", "--interval", "1s", *kept]
    for pid in pids:
        watch += ["-p", str(pid)]
    return [
        ("recording, counts only", m5_baseline(pids, long, "1s", "--pauses", "false")),
        ("recording, every pause traced", m5_baseline(pids, long, "1s", "--pauses", "true")),
        ("exporter, counts only", m5_serve(pids, "--max-overhead", "0")),
        ("exporter, every pause traced", m5_serve(pids)),
        ("watchdog", watch),
    ]


def used_by(command: list[str], warm: float, seconds: int) -> tuple[list[float], dict[str, float]]:
    """Shares of a core in each of four parts of the time, and memory at its end."""
    parts = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as m5:
        time.sleep(warm)
        for _ in range(4):
            begin, before = time.monotonic(), cpu_seconds(m5.pid)
            time.sleep(seconds / 4)
            if m5.poll() is not None:
                assert m5.stderr
                raise SystemExit(f"{' '.join(command[:6])} ended: {m5.stderr.read()}")
            parts.append((cpu_seconds(m5.pid) - before) / (time.monotonic() - begin))
        memory = memory_of(m5.pid)
        m5.terminate()
        m5.wait()
    return parts, memory


def agent(count: int, seconds: int) -> None:
    """Each way of watching so many processes at 1 Hz, once it is under way."""
    with contextlib.ExitStack() as running, tempfile.TemporaryDirectory() as folder:
        targets = [running.enter_context(Idle()) for _ in range(count)]
        print(f"2. agent at 1 Hz on {count} process{'es' if count > 1 else ''}")
        for what, command in agents([t.pid for t in targets], seconds, Path(folder)):
            parts, memory = used_by(command, 3 + count / 20, seconds)
            used = statistics.median(parts)
            if count == 1:
                met = "met" if used < CPU_AIM else f"missed: {CPU_AIM:.2%}"
            else:
                met = "met" if memory["RSS"] < RSS_AIM else f"missed: {RSS_AIM:.0f} MiB"
            sizes = ", ".join(f"{name} {size:.1f}" for name, size in memory.items())
            spread = f"parts {min(parts):.3%} … {max(parts):.3%}"
            print(f"   {what}: {used:.3%} of a core ({spread}), MiB: {sizes}; aim {met}", flush=True)


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute or two instead of several")
    parser.add_argument("--only", choices=["sample", "agent", "target"])
    parser.add_argument("--debug", action="store_true", help="the debug build")
    args = parser.parse_args()
    if args.debug:
        global M5
        M5 = str(ROOT / "target/debug/m5")
    if not Path(M5).exists():
        print(f"{M5} is missing: cargo build --release -p m5-cli (or set M5=…)", file=sys.stderr)
        return 2
    quick = args.quick
    if args.only in (None, "sample"):
        cost_of_a_sample(rounds=3 if quick else 7, samples=200 if quick else 400)
    if args.only in (None, "agent"):
        agent(1, 10 if quick else 30)
        agent(100, 10 if quick else 30)
    if args.only in (None, "target"):
        slowdown(rounds=3 if quick else 7, seconds=2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
