"""The main job: a real engine runs, and m5 says from outside how it is doing.

make demo                       a minute of baseline
make demo DEMO_DURATION=10s     a shorter one
"""

from __future__ import annotations

import json
import os
import sys

import reference

MISSED = 1  # m5's exit code for a missed objective: a finding, not a failure


def main() -> int:
    """Runs the demo; the first exit code that means m5 could not do its work."""
    reference.stop_on_sigterm()
    duration = os.environ.get("DEMO_DURATION", "60s")
    words = ["--warm-up", os.environ.get("DEMO_WARM_UP", "2m")]
    words += os.environ.get("ENGINE_ARGS", "").split()
    print("Starting the reference engine; two minutes of ticks go by fast to warm it up …", flush=True)
    with reference.engine(words, "demo") as engine:
        print(
            f"The reference engine runs: pid {engine.pid}, 50 symbols over 5 WebSockets from "
            f"the exchange at 127.0.0.1:{engine.port} (pid {engine.exchange_pid}).\n"
            f"m5 now watches it from outside for {duration}.",
            flush=True,
        )
        pid = str(engine.pid)
        baseline = str(reference.OUT / "demo.baseline.json")
        worst = 0
        for command in (
            ["baseline", "--profile", "trading", "-p", pid, "-d", duration, "--save", baseline],
            ["health", "--profile", "trading", "-p", pid],
        ):
            code = reference.m5(*command)
            if code > MISSED:
                worst = worst or code
    stats = json.loads((reference.OUT / "demo.stats.json").read_text())
    print(
        f"\nThe engine and its exchange are stopped: {stats['ticks']} ticks, "
        f"{stats['order_events']} order events.\n"
        f"Baseline: {baseline} (m5 check and m5 compare read it)\nThe engine's log: {engine.log}"
    )
    return worst


if __name__ == "__main__":
    sys.exit(main())
