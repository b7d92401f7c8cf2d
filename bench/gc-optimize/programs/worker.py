"""A Celery worker on a broker in a folder, and what sends it work.

python worker.py FOLDER        works
python worker.py FOLDER load   sends, until killed
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from celery import Celery

folder = Path(sys.argv[1])
for name in ("queue", "processed", "control"):
    (folder / name).mkdir(parents=True, exist_ok=True)
app = Celery("worker", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(folder / "queue"),
    "data_folder_out": str(folder / "queue"),
    "control_folder": str(folder / "control"),
}
app.conf.task_ignore_result = True
app.conf.worker_enable_remote_control = False
reference = {n: {"rate": n / 7, "history": [n, n + 1]} for n in range(60_000)}
report: list[dict] = []


@app.task(name="aggregate")
def aggregate(first: int) -> None:
    """Groups rows and keeps the last few groups."""
    rows = [{"key": (first + n) % 50, "value": reference[(first * 13 + n) % 60_000]} for n in range(4_000)]
    groups: dict[int, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["key"], []).append(row)
    report.append({"first": first, "groups": groups})
    del report[:-8]


def load() -> None:
    """As much as keeps the worker busy, without filling the disk."""
    n = 0
    while True:
        if len(list((folder / "queue").iterdir())) < 20:
            n += 1
            app.send_task("aggregate", [n])
        time.sleep(0.02)


if sys.argv[2:] == ["load"]:
    load()
else:
    app.worker_main(["worker", "--pool", "solo", "--loglevel", "ERROR", "--without-heartbeat",
                     "--without-gossip", "--without-mingle"])  # fmt: skip
