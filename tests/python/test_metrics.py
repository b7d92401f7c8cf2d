"""Metrics, the shared page read as a stranger would, descriptors, and the import that must stay small."""

import os
import struct
import subprocess
import sys

import pytest

import m5mem
import m5mem.gc
import m5mem.metrics
from m5mem.fds import FdMonitor


def page_of(pid):
    """Decodes the page by docs/shared-page.md, from outside: maps, then mem."""
    with open(f"/proc/{pid}/maps") as maps:
        start = next(int(line.split("-")[0], 16) for line in maps if "/memfd:m5mem" in line)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        page = memory.read(65536)
    assert page[:8] == b"m5mem\0\0\0"
    layout, header, entry, count, owner = struct.unpack_from("<5I", page, 8)
    assert (layout, header, entry, owner) == (1, 64, 128, pid)
    (written,) = struct.unpack_from("<Q", page, 32)
    out = {}
    for i in range(count):
        at = header + i * entry
        name = page[at : at + 120].rstrip(b"\0").decode()
        (out[name],) = struct.unpack_from("<d", page, at + 120)
    return out, written


def test_page_from_outside():
    cache = m5mem.LRUCache(10)
    m5mem._registry.add("cache", "prices", cache)
    cache["a"] = 1
    cache.get("a")
    publisher = m5mem.metrics.publish(1000)
    try:
        values, first = page_of(os.getpid())
        assert values['m5mem_cache_hits_total{cache="prices"}'] == 1.0
        assert values["process_memory_rss_bytes"] > 1e6
        cache.get("a")
        publisher.write()
        values, second = page_of(os.getpid())
        assert values['m5mem_cache_hits_total{cache="prices"}'] == 2.0 and second > first
        assert values == publisher.page.read()
        with pytest.raises(ValueError):
            publisher.page.update({"x" * 120: 1.0})
        for i in range(600):
            m5mem._registry.add("cache", f"c{i}", cache)
        publisher.write()
        assert publisher.skipped > 0  # full: counted, and what was there still lives
        cache.get("a")
        publisher.write()
        assert page_of(os.getpid())[0]['m5mem_cache_hits_total{cache="prices"}'] == 3.0
    finally:
        publisher.stop()
    del publisher
    assert "/memfd:m5mem" not in open("/proc/self/maps").read()


def test_prometheus():
    prometheus = pytest.importorskip("prometheus_client")
    registry = prometheus.CollectorRegistry()
    registry.register(m5mem.metrics.Collector(open_fds=True))

    @m5mem.cached(name="squares")
    def square(x):
        return x * x

    square(2), square(2)
    pool = m5mem.Pool(object, name="things")
    with pool.lease(), m5mem.gc.manage(warmup=1000, tick=1000) as manager:
        manager.idle(full=True)
        page = prometheus.generate_latest(registry).decode()
    for line in (
        'm5mem_cache_hits_total{cache="squares"} 1.0',
        'm5mem_pool_leased{pool="things"} 1.0',
        'gc_pause_duration_seconds_count{generation="2"} 1.0',
        'gc_pause_duration_seconds_bucket{generation="2",le="+Inf"} 1.0',
        'gc_collections_by_generation_total{generation="2"} 1.0',
        "process_memory_rss_bytes ",
        "memory_peak_rss_bytes ",
        "process_open_fds ",
    ):
        assert line in page
    prometheus.REGISTRY.register(collector := m5mem.metrics.Collector())  # beside the default ones
    prometheus.generate_latest()
    prometheus.REGISTRY.unregister(collector)


def test_fd_monitor():
    calls, alerts = [], []

    def cleanup(figures):
        calls.append(figures)
        raise RuntimeError("a cleanup that fails is counted")

    monitor = FdMonitor(
        warn=FdMonitor(interval=None).count() + 10, cleanup=cleanup, alert=alerts.append, interval=None
    )
    assert monitor.growth_per_minute() is None and not monitor.check().get("kinds")
    pipes = [os.pipe() for _ in range(10)]
    for _ in range(3):
        monitor.check()
    assert len(calls) == len(alerts) == 1 and alerts[0]["kinds"]["pipe"] >= 20 and monitor.failures == 1
    assert monitor.growth_per_minute() > 0 and monitor.in_episode
    for pair in pipes:
        os.close(pair[0]), os.close(pair[1])
    monitor.check()
    assert not monitor.in_episode
    before = monitor.count()
    monitor.peers(), monitor.kinds()
    assert monitor.count() == before
    with FdMonitor(interval=0.001) as looking:
        pass
    assert not looking._thread.is_alive()
    with pytest.raises(ValueError):
        FdMonitor(warn=0)


def test_import_brings_neither_numpy_nor_pandas():
    code = """if 1:
        import sys, m5mem, m5mem.gc, m5mem.ws, m5mem.fds, m5mem.metrics
        b = m5mem.CandleBuffer(5); b.attach(m5mem.SMA(2)); b.append(1, 2, 3, 4, 5)
        assert b.view(1, "close").tolist() == [4.0]
        m5mem.cached(max_bytes=1000)(lambda x: x)(1)
        print(sorted({"numpy", "pandas", "websockets", "prometheus_client", "pyarrow"} & set(sys.modules)))
    """
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


PLUGIN = """
import pytest
kept = []

@pytest.mark.m5(max_growth_objects=0.5)
def test_leaks():
    kept.append([])

@pytest.mark.m5(max_growth_objects=0.5, max_rss="40GB", gc_pause_p95="5s")
def test_flat():
    [[] for _ in range(10_000)]

@pytest.mark.m5(max_growth_objects=0.5)
def test_keeps_nothing():
    []

@pytest.mark.m5(max_rss="1MB")
def test_large():
    pass

@pytest.mark.m5(max_rss="40GiB")
def test_small():
    pass

@pytest.mark.m5(gc_pause_p95="1ns")
def test_slow():
    import gc
    gc.collect()

@pytest.mark.m5(gc_pause_p95="50s")
def test_quick():
    import gc
    gc.collect()

@pytest.mark.m5(max_growth_objects=0.5)
def test_fails_by_itself():
    assert False, "its own"

@pytest.mark.m5(max_rss="40 parsecs")
def test_bad_unit():
    pass

@pytest.mark.m5(max_rsss=1)
def test_bad_name():
    pass
"""


def test_pytest_plugin(tmp_path):
    (tmp_path / "test_it.py").write_text(PLUGIN)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-p",
        "m5mem.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "test_it.py",
    ]
    package = os.path.dirname(os.path.dirname(m5mem.__file__))
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.path.abspath(package)}
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env).stdout
    for name in ("flat", "keeps_nothing", "small", "quick"):
        assert f"test_{name} PASSED" in out
    for name in ("leaks", "large", "slow", "fails_by_itself"):
        assert f"test_{name} FAILED" in out
    for text in (
        "1 objects stay a run",
        "RSS reached",
        "95 % of the collections",
        "its own",
        "40 parsecs",
        "max_rsss",
    ):
        assert text in out
    assert "4 passed" in out
