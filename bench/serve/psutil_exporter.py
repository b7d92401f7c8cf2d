"""An exporter as one writes it with psutil and prometheus_client: `psutil_exporter.py PORT`, asked at every scrape."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Processes:
    """Memory, processor time, descriptors, threads and connections of every process of the crowd."""

    def collect(self) -> Iterator[Metric]:
        """Reads them all."""
        rss = GaugeMetricFamily("process_resident_memory_bytes", "Resident set size.", labels=["pid"])
        cpu = CounterMetricFamily("process_cpu_seconds", "CPU time.", labels=["pid"])
        fds = GaugeMetricFamily("process_open_fds", "Open descriptors.", labels=["pid"])
        threads = GaugeMetricFamily("process_threads", "Threads.", labels=["pid"])
        connections = GaugeMetricFamily("active_connections", "Established.", labels=["pid"])
        for process in psutil.process_iter():
            try:
                with process.oneshot():
                    if not any(word.endswith("crowd.py") for word in process.cmdline()):
                        continue
                    labels = [str(process.pid)]
                    rss.add_metric(labels, process.memory_info().rss)
                    times = process.cpu_times()
                    cpu.add_metric(labels, times.user + times.system)
                    fds.add_metric(labels, process.num_fds())
                    threads.add_metric(labels, process.num_threads())
                    established = [
                        c for c in process.connections("tcp") if c.status == psutil.CONN_ESTABLISHED
                    ]
                    connections.add_metric(labels, len(established))
            except psutil.Error:
                continue
        yield from (rss, cpu, fds, threads, connections)


if __name__ == "__main__":
    registry = CollectorRegistry()
    registry.register(Processes())
    start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
    while True:
        time.sleep(3600)
