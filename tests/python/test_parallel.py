"""Eight threads on one cache, one cached function, one pool: truly parallel where there is no GIL, and switched between
at every chance where there is one."""

import gc
import os
import random
import signal
import subprocess
import sys
import sysconfig
import threading
import weakref

import pytest
from parallel import THREADS, Key, together

import m5mem

ROUNDS = 1500


def test_the_gil_stays_off():
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this build has a GIL")
    program = (
        "import sys, m5mem, m5mem.fds, m5mem.gc, m5mem.indicators, m5mem.metrics, m5mem._pool, m5mem._cache\n"
        "assert not sys._is_gil_enabled()"
    )
    package = os.path.dirname(os.path.dirname(os.path.abspath(m5mem.__file__)))
    paths = os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not sys._is_gil_enabled()


@pytest.mark.parametrize("make", [int, str, Key, lambda n: (n, "x")], ids=["int", "str", "own", "tuple"])
@pytest.mark.parametrize("cache", [m5mem.LRUCache(64), m5mem.TTLCache(64, 0.0005)], ids=["lru", "ttl"])
def test_a_cache_gives_what_was_stored_under_the_key(cache, make):
    def work(number):
        chance = random.Random(number)
        for _ in range(ROUNDS):
            n = chance.randrange(100)
            key, what = make(n), chance.randrange(10)
            if what < 4:
                cache[key] = ("value", n)
            elif what < 8:
                found = cache.get(key)
                assert found is None or found == ("value", n)
            elif what == 8:
                found = cache.pop(key, None)
                assert found is None or found == ("value", n)
            else:
                assert len(cache) <= 64 and cache.setdefault(key, ("value", n)) == ("value", n)
                keys = list(cache.keys())
                assert len(keys) == len(set(keys)) <= 64

    together(work)
    for key, value in cache.items():
        assert key == make(value[1])
    cache.clear()
    assert len(cache) == 0 and cache.currsize == 0


@pytest.mark.parametrize("make", [int, Key])
def test_setdefault_has_one_winner(make):
    cache = m5mem.LRUCache(None)
    given = together(lambda _: [cache.setdefault(make(n), object()) for n in range(ROUNDS)])
    assert len(cache) == ROUNDS
    assert all(len({id(mine[n]) for mine in given}) == 1 for n in range(ROUNDS))


def fill_and_collect(cache):
    stop = threading.Event()

    class Thing:
        pass

    def work(number):
        if number == 0:
            for _ in range(30):
                gc.collect()
                assert all(isinstance(o, (str, Thing, type)) for o in gc.get_referents(cache))
            stop.set()
        n = 0
        while not stop.is_set():
            n += 1
            thing = Thing()
            thing.cache = cache  # a cycle
            cache[f"{number}.{n % 500}"] = thing

    together(work)


def test_the_collector_looks_at_caches_that_change():
    cache = m5mem.LRUCache(256)
    fill_and_collect(cache)
    one = weakref.ref(cache)
    del cache
    gc.collect()
    assert one() is None


@pytest.mark.parametrize("make", [int, Key, lambda n: (n, n)], ids=["int", "own", "tuple"])
def test_a_miss_is_computed_once(make):
    calls = [0] * 300

    @m5mem.cached(None)
    def slow(key):
        n = key if isinstance(key, int) else getattr(key, "number", None)
        n = key[0] if n is None else n
        calls[n] += 1
        return [n]

    given = together(lambda _: [slow(make(n)) for n in range(300)])
    assert calls == [1] * 300
    assert all(len({id(mine[n]) for mine in given}) == 1 for n in range(300))
    info = slow.cache_info()
    assert info.currsize == 300 and info.hits + info.misses == 300 * THREADS


def test_computations_that_need_each_other_are_no_circle():
    for _ in range(15):

        @m5mem.cached(None)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        assert together(lambda number, f=fib: f(60 + number % 3))[0] == 1548008755920


def test_what_is_invalidated_is_not_stored():
    value = [0]

    @m5mem.cached
    def read(_):
        return value[0]

    def work(number):
        for _ in range(ROUNDS):
            if number:
                read(1)
                continue
            value[0] += 1
            read.invalidate(1)
            read(1)  # may be the end of a computation that began before
            assert read(1) == value[0]

    together(work)


def test_one_result_of_a_buffer_is_never_behind():
    buffer = m5mem.CandleBuffer(50, fields=["close"])
    sma = buffer.attach(m5mem.SMA(1))
    buffer.append(0.0)
    last = m5mem.cached(lambda: min(buffer.last(), sma.value))
    done = threading.Event()

    def work(number):
        if number == 0:
            for n in range(1, ROUNDS * 4):
                buffer.append(float(n))
            done.set()
        before = -1.0
        while not done.is_set():
            seen = buffer.last() if number % 2 else sma.value
            result = last()
            assert result >= seen and result >= before
            before = result

    together(work)
    assert last() == ROUNDS * 4 - 1


def test_functions_that_share_a_cache_stay_apart():
    for _ in range(20):
        cache = m5mem.LRUCache(None)
        made = together(lambda number, c=cache: m5mem.cached(c)(lambda x: (number, x)))
        assert [f(1) for f in made] == [(number, 1) for number in range(THREADS)]


def test_a_pool_lends_each_object_once():
    out, most = set(), 3
    pool = m5mem.Pool(lambda: [0], max_size=most)

    def work(_):
        for _ in range(300):
            with pool.lease() as thing:
                assert id(thing) not in out
                out.add(id(thing))
                thing[0] += 1
                out.discard(id(thing))

    together(work)
    stats = pool.stats()
    assert stats["leased"] == 0 and stats["created"] <= most
    assert sum(thing[0] for thing in pool._idle) == 300 * THREADS


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_finds_no_lock_taken():
    cache, buffer = m5mem.LRUCache(32), m5mem.CandleBuffer(20, fields=["close"])
    sma = buffer.attach(m5mem.SMA(5))
    square = m5mem.cached(16)(lambda n: n * n)
    done = threading.Event()

    def use(n):
        cache[n % 50] = n
        buffer.append(float(n))
        return cache.get(n % 50), buffer.last(), sma.value, square(n % 20)

    def work(number):
        if number:
            n = 0
            while not done.is_set():
                n += 1
                use(n)
            return
        try:
            for _ in range(25):
                child = os.fork()
                if child == 0:
                    signal.alarm(60)  # a child that hangs ends by it
                    fine = use(7)[3] == 49 and len(buffer) > 0
                    os._exit(0 if fine else 3)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            done.set()

    together(work)
