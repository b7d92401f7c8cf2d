"""Who is measured: m5's three methods, peers that run inside the target, and peers that attach to it."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

METHODS = ("fork", "freeze", "live")
INSIDE = {"objgraph": "objgraph", "guppy3": "guppy", "pympler": "pympler"}
NOTES = {
    "objgraph": "counts tracked objects, no sizes",
    "memray attach": "sees later allocations only",
}


class Unavailable(Exception):
    """Why a contender cannot be measured here."""


def run(command, timeout, **options):
    """Runs a command; its seconds, its peak memory in bytes and its output."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, **options)
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.perf_counter() - began > timeout:
                    process.kill()
                    os.wait4(process.pid, 0)
                    raise subprocess.TimeoutExpired(command, timeout)
                time.sleep(0.002)
        finally:
            process.returncode = 0
        seconds = time.perf_counter() - began
        out.seek(0)
        text = out.read().decode(errors="replace")
    if status:
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no word")
        raise Unavailable(f"ended with {os.waitstatus_to_exitcode(status)}: {last[:160]}")
    return seconds, usage.ru_maxrss * 1024, text


def m5(program, method, target, timeout):
    """A whole snapshot: capture, census, references, dominators, accounting, and the file."""
    with tempfile.TemporaryDirectory() as directory:
        report, saved = Path(directory) / "report.json", Path(directory) / "a.m5snap"
        command = [program, "snapshot", "-p", str(target.pid), "--method", method, "--max-pause", "60"]
        command += ["--json", "-o", str(report), "--save", str(saved)]
        seconds, peak, _ = run(command, timeout)
        document = json.loads(report.read_text())
        return {
            "seconds": seconds,
            "own_peak_bytes": peak,
            "own_pause_seconds": document["info"]["pause_seconds"],
            "objects": document["heap"]["objects"],
            "file_bytes": saved.stat().st_size,
        }


def inside(name, python, target):
    """A peer that the program itself must call."""
    if subprocess.run([python, "-c", f"import {INSIDE[name]}"], capture_output=True).returncode:
        raise Unavailable("is not installed for this Python")
    answer = target.ask(name)
    if answer.startswith("error"):
        raise Unavailable(answer)
    return {"seconds": float(answer)}


def memray(python, target, timeout):
    program = Path(python).with_name("memray")
    if not program.exists():
        raise Unavailable("is not installed for this Python")
    if not (shutil.which("gdb") or shutil.which("lldb")):
        raise Unavailable("needs gdb or lldb")
    with tempfile.TemporaryDirectory() as directory:
        command = [str(program), "attach", "--duration", "1", "-o", f"{directory}/a.bin", str(target.pid)]
        seconds, peak, _ = run(command, timeout)
        time.sleep(1.5)
    return {"seconds": seconds, "own_peak_bytes": peak}


def midden(python, target, timeout):
    program = Path(python).with_name("midden-inject")
    if not program.exists():
        raise Unavailable("is not installed for this Python")
    with tempfile.TemporaryDirectory() as directory:
        command = [str(program), "-o", f"{directory}/dump.jsonl", str(target.pid)]
        seconds, peak, _ = run(command, timeout)
        if not any(p.stat().st_size for p in Path(directory).iterdir()):
            raise Unavailable("wrote no dump")
    return {"seconds": seconds, "own_peak_bytes": peak}


def pyheap(source, python, target, timeout):
    if not source:
        raise Unavailable(
            "is not on PyPI (the project of that name there is another one): give --pyheap a checkout of its repository"
        )
    if not shutil.which("gdb"):
        raise Unavailable("needs gdb")
    program = Path(source) / "pyheap/src/pyheap_dump.py"
    with tempfile.TemporaryDirectory() as directory:
        dump = Path(directory) / "a.pyheap"
        command = [python, str(program), "--pid", str(target.pid), "--file", str(dump)]
        seconds, peak, text = run(command, timeout, cwd=program.parent)
        if not dump.exists() or not dump.stat().st_size:
            raise Unavailable(f"wrote no dump: {text.strip().splitlines()[-1][:160]}")
    return {"seconds": seconds, "own_peak_bytes": peak}


def heapspy(*_):
    raise Unavailable("is on no registry and no repository of that name was found")
