"""`Pool`: leases in threads and in a loop, and what is lost."""

import asyncio
import gc
import threading

import pytest

import m5mem


def test_pool():
    made, resets = [], []

    def factory():
        made.append(bytearray(8))
        return made[-1]

    pool = m5mem.Pool(factory, resets.append, max_size=2)
    with pool.lease() as one, pool.lease() as two:
        assert one is not two
        with pytest.raises(m5mem.PoolTimeout):
            pool.lease(timeout=0)
    with pool.lease() as again:
        assert again in (one, two)
    assert len(made) == 2 and len(resets) == 3 and pool.stats()["reused"] == 1

    lease = pool.lease()
    lease.release(broken=True)
    lease.release()
    with pytest.raises(RuntimeError, match="over"):
        lease.object
    forgotten = pool.lease()
    del forgotten
    gc.collect()
    assert pool.stats()["lost"] == 1 and pool.stats()["leased"] == 0 and pool.stats()["dropped"] == 1

    failing = m5mem.Pool(lambda: 1 / 0, max_size=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            failing.lease(timeout=0)
    bad_reset = m5mem.Pool(object, lambda o: 1 / 0, max_size=1)
    with bad_reset.lease():
        pass
    assert bad_reset.stats()["reset_errors"] == 1 and bad_reset.stats()["idle"] == 0
    pool.clear()
    with pytest.raises(ValueError):
        m5mem.Pool(object, max_size=0)


def test_pool_hands_over_between_threads():
    pool, seen = m5mem.Pool(object, max_size=1), []

    def work():
        for _ in range(500):
            with pool.lease() as obj:
                seen.append(id(obj))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1 and len(seen) == 2000


def test_pool_in_asyncio():
    async def main():
        pool = m5mem.Pool(bytearray, max_size=2)
        async with pool.alease() as one, pool.alease() as two:
            assert one is not two
            with pytest.raises(m5mem.PoolTimeout):
                await pool.alease(timeout=0)
            with pytest.raises(m5mem.PoolTimeout):
                await pool.alease(timeout=0.01)
            waiting = [
                asyncio.create_task(lease_once()) for lease_once in [lambda: pool._lease_in_loop(None)] * 3
            ]
            await asyncio.sleep(0.01)
            assert not any(t.done() for t in waiting)
            waiting[0].cancel()
        leases = await asyncio.gather(*waiting[1:])
        assert pool.stats()["leased"] == 2
        # Woken, and cancelled before it could look: the next one is woken instead.
        late = [asyncio.create_task(pool._lease_in_loop(None)) for _ in range(2)]
        await asyncio.sleep(0)
        leases[0].release()
        late[0].cancel()
        (await late[1]).release()
        leases[1].release()
        assert pool.stats()["leased"] == 0 and pool.stats()["created"] == 2

        async def work():
            for _ in range(50):
                async with pool.alease():
                    await asyncio.sleep(0)

        def thread():
            for _ in range(200):
                with pool.lease():
                    pass

        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *[work() for _ in range(10)], *[loop.run_in_executor(None, thread) for _ in range(3)]
        )
        assert pool.stats()["leased"] == 0 and pool.stats()["created"] == 2

        async def factory():
            return "made"

        async with m5mem.Pool(factory).alease() as made:
            assert made == "made"

    asyncio.run(asyncio.wait_for(main(), 60))
