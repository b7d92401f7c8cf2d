"""A user's program, as type checkers must accept it; lines that end in `wrong` must be refused."""

import asyncio
from collections.abc import MutableMapping

from typing_extensions import assert_type

import m5mem
import m5mem.gc
from m5mem import SMA, CandleBuffer, LRUCache, TTLCache, cached

prices: LRUCache[str, float] = LRUCache(50)
prices["BTC"] = 1.0
sessions: TTLCache[int, bytes] = TTLCache(10, ttl=5.0, jitter=0.1)
mapping: MutableMapping[str, float] = prices
assert_type(prices["BTC"], float)
assert_type(prices.get("BTC"), "float | None")
assert_type(prices.get("BTC", 0.0), float)
prices[1] = 1.0  # wrong
prices["x"] = "y"  # wrong


@cached(LRUCache(maxsize=50), key=lambda symbol, window: f"{symbol}_{window}")
def window(symbol: str, window: int) -> list[float]:
    return [float(window)]


@cached
def bare(x: int, *, y: str = "") -> str:
    return y * x


@cached(maxsize=None, ttl=5.0, ttl_jitter=0.1, stale_ttl=60.0, error_ttl=1.0, errors="retry")
async def fetch(symbol: str) -> bytes:
    return symbol.encode()


class Engine:
    @cached(maxsize=8)
    def mean(self, n: int) -> float:
        return float(n)

    @cached
    async def load(self, n: int) -> int:
        return n


assert_type(window("BTC", 5), "list[float]")
assert_type(bare(1, y="a"), str)
bare("1")  # wrong
bare(1, z=2)  # wrong
window("BTC")  # wrong
bare.cache_clear()
hits: int = bare.cache_info().hits
window.invalidate("BTC", 5)


async def main() -> None:
    assert_type(await fetch("x"), bytes)
    engine = Engine()
    assert_type(engine.mean(1), float)
    assert_type(await engine.load(2), int)
    engine.mean("1")  # wrong
    engine.mean.cache_clear()
    Engine.load.cache_clear()


asyncio.run(main())
buffer = CandleBuffer(200, interval=60)
sma: SMA = buffer.attach(SMA(20))
buffer.push_tick(1.0, 2.0, 3.0)
closed: float = buffer.last("close")
manager = m5mem.gc.manage(warmup=0.0)
manager.stop()
pool = m5mem.Pool(bytearray, max_size=2)
with pool.lease() as block:
    assert_type(block, bytearray)
