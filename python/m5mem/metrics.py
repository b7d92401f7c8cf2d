"""What m5mem knows, for `prometheus_client` and for `m5`, which reads it from a shared page without a port."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import _registry
from ._native import SharedPage

__all__ = ["Collector", "Publisher", "publish", "samples"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """One value. ``kind`` is counter or gauge."""

    name: str
    kind: str
    text: str
    labels: dict[str, str]
    value: float


_CACHE = [
    ("entries", "gauge", "Entries in the cache"),
    ("size", "gauge", "Sum of the sizes, or number of entries without sizes"),
    ("hits", "counter", "Lookups that found a value"),
    ("misses", "counter", "Lookups that found none"),
    ("evictions", "counter", "Entries that left for others"),
    ("expirations", "counter", "Entries that left because of their age"),
]
_POOL = [
    ("idle", "gauge", "Objects that wait in the pool"),
    ("leased", "gauge", "Objects that are out"),
    ("created", "counter", "Objects made"),
    ("reused", "counter", "Leases of an object that was there"),
    ("dropped", "counter", "Objects that did not go back"),
    ("lost", "counter", "Leases that were forgotten"),
]
_WS = [
    ("connects", "Connections opened"),
    ("failures", "Connections that did not open"),
    ("disconnects", "Connections that ended"),
    ("stale", "Connections ended for silence"),
    ("aborted", "Connections cut after the closing deadline"),
    ("messages", "Messages received"),
    ("handler_errors", "Exceptions in handlers"),
    ("handler_timeouts", "Handlers ended for taking too long"),
    ("handler_slow", "Handlers that took as long as a silent peer may"),
    ("open_errors", "Failures of on_open"),
    ("cancellations", "Cancellations from inside that a slot outlived"),
    ("owner_errors", "Other failures that a slot outlived"),
]


def _memory() -> Iterator[Sample]:
    try:
        with open("/proc/self/status", "rb") as file:
            status = dict(line.split(b":", 1) for line in file if line.startswith((b"VmRSS", b"VmHWM")))
        rss, peak = (int(status[key].split()[0]) * 1024 for key in (b"VmRSS", b"VmHWM"))
    except (OSError, KeyError, ValueError):
        return
    yield Sample("process_memory_rss_bytes", "gauge", "Resident set size", {}, rss)
    yield Sample("memory_peak_rss_bytes", "gauge", "Highest resident set size", {}, peak)


def samples() -> Iterator[Sample]:
    """Every value but histograms."""
    yield from _memory()
    for name, cache in _registry.alive("cache"):
        stats = cache.stats()
        for key, kind, text in _CACHE:
            yield Sample(f"m5mem_cache_{key}", kind, text, {"cache": name}, stats[key])
    for name, pool in _registry.alive("pool"):
        stats = pool.stats()
        for key, kind, text in _POOL:
            yield Sample(f"m5mem_pool_{key}", kind, text, {"pool": name}, stats[key])
    active = 0
    pools = _registry.alive("ws")
    for name, pool in pools:
        active += pool.active_connections
        for state, count in pool.states().items():
            labels = {"pool": name, "state": state}
            yield Sample("m5mem_ws_connections", "gauge", "WebSocket connections by state", labels, count)
        totals = pool.totals()
        for key, text in _WS:
            yield Sample(f"m5mem_ws_{key}", "counter", text, {"pool": name}, totals.get(key, 0))
        for reason, count in pool.ended.items():
            labels = {"pool": name, "reason": reason}
            yield Sample("m5mem_ws_ended", "counter", "Connections that ended for good", labels, count)
    if pools:
        yield Sample("active_connections", "gauge", "Open WebSocket connections", {}, active)
    for name, monitor in _registry.alive("fds"):
        growth = monitor.growth_per_minute()
        if growth is not None:
            text = "Growth of open descriptors a minute"
            yield Sample("m5mem_fd_growth_per_minute", "gauge", text, {"monitor": name}, growth)
        yield Sample(
            "m5mem_fd_episodes", "counter", "Times over the limit", {"monitor": name}, monitor.episodes
        )
    for name, manager in _registry.alive("gc"):
        snapshot = manager.snapshot()
        for where in ("path", "idle"):
            for generation, figures in enumerate(snapshot[where]):
                labels = {"manager": name, "where": where, "generation": str(generation)}
                for key, text in (("collections", "Collections"), ("pause_total", "Seconds of pauses")):
                    label = {"pause_total": "pause_seconds"}.get(key, key)
                    yield Sample(f"m5mem_gc_{label}", "counter", text, labels, figures[key])
        if snapshot["trim"] is not None:
            for key in ("count", "freed_bytes", "seconds"):
                text = f"Free native memory given back: {key}"
                yield Sample(f"m5mem_trim_{key}", "counter", text, {"manager": name}, snapshot["trim"][key])
        if snapshot["load"] is not None:
            yield Sample(
                "m5mem_gc_loop_load", "gauge", "Load of the loop", {"manager": name}, snapshot["load"]
            )


class Collector:
    """A collector for `prometheus_client`: ``REGISTRY.register(Collector())``.

    ``open_fds`` adds ``process_open_fds``, which prometheus_client's own process collector gives already in the
    default registry.
    """

    def __init__(self, *, open_fds: bool = False) -> None:
        self._open_fds = open_fds

    def describe(self) -> list[Any]:
        """Nothing to say before there is something to count."""
        return []

    def collect(self) -> Iterator[Any]:
        """The metric families of now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        families: dict[str, Any] = {}
        for sample in samples():
            family = families.get(sample.name)
            if family is None:
                make = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
                family = families[sample.name] = make(sample.name, sample.text, labels=list(sample.labels))
            family.add_metric(list(sample.labels.values()), sample.value)
        yield from families.values()
        if self._open_fds:
            yield GaugeMetricFamily(
                "process_open_fds", "Open file descriptors", len(os.listdir("/proc/self/fd")) - 1
            )
        managers = _registry.alive("gc")
        if not managers:
            return
        pauses = HistogramMetricFamily(
            "gc_pause_duration_seconds", "Pauses of the collector", labels=["generation"]
        )
        runs = CounterMetricFamily("gc_collections_by_generation", "Collections", labels=["generation"])
        _, manager = managers[-1]  # managers see the same collections: one of them says it all
        for generation in range(3):
            buckets, count, total = manager.monitor.buckets(generation)
            pairs = [(str(bound), n) for bound, n in buckets] + [("+Inf", count)]
            pauses.add_metric([str(generation)], pairs, total)
            runs.add_metric([str(generation)], count)
        yield pauses
        yield runs


def _flat(sample: Sample) -> str:
    """Name and labels as in a metrics page."""
    labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
    name = sample.name + ("_total" if sample.kind == "counter" else "")
    return f"{name}{{{labels}}}" if labels else name


class Publisher:
    """Writes `samples` into the shared page every ``interval`` seconds. The layout: ``docs/shared-page.md``."""

    def __init__(self, interval: float = 1.0) -> None:
        if interval <= 0:
            raise ValueError("interval must be above 0")
        self.page = SharedPage()
        self.skipped = 0
        self._stop = threading.Event()
        self.write()
        self._thread = threading.Thread(target=self._run, args=(interval,), name="m5mem-page", daemon=True)
        self._thread.start()

    def write(self) -> None:
        """Writes now. Names that are too long, or too many, are counted in ``skipped``."""
        skipped = 0
        for sample in samples():
            try:
                self.page.update({_flat(sample): float(sample.value)})
            except ValueError:
                skipped += 1
        self.skipped = skipped

    def _run(self, interval: float) -> None:
        while not self._stop.wait(interval):
            self.write()

    def stop(self) -> None:
        """Ends it; the page goes with the object."""
        self._stop.set()
        self._thread.join()


def publish(interval: float = 1.0) -> Publisher:
    """Makes what m5mem knows readable for ``m5`` from outside."""
    return Publisher(interval)
