"""W1 of the guide: windows, indicator and preallocated buffer, a program for each way. Prints JSON.

    python windows.py guide|uncached|m5mem [ticks]

50 symbols, 200 candles each, a new candle every 20 ticks of a symbol; each tick asks for the last 200 candles and for
the ATR of 14. `wrong` counts windows whose last close is not the price of the tick that they were asked with.
"""

import hashlib
import json
import random
import sys
import time

SYMBOLS = [f"S{i:02}" for i in range(50)]
WINDOW, PERIOD, PER_CANDLE = 200, 14, 20


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def prices(ticks):
    draw = random.Random(5)
    price = dict.fromkeys(SYMBOLS, 100.0)
    for _ in range(ticks):
        symbol = draw.choice(SYMBOLS)
        price[symbol] += draw.choice((-0.25, 0.25))
        yield symbol, price[symbol]


class InPandas:
    """A frame a symbol, as the guide has it; the window through its pool or, correctly, without."""

    def __init__(self, cached):
        import pandas as pd
        from cachetools import LRUCache
        from cachetools import cached as cachetools_cached

        columns = ["open", "high", "low", "close", "volume"]
        self.market_data = {s: pd.DataFrame([[100.0] * 5] * WINDOW, columns=columns) for s in SYMBOLS}
        self.count = dict.fromkeys(SYMBOLS, 0)
        self.pd = pd

        def window(symbol, window):
            return self.market_data[symbol].tail(window).copy()

        def atr(data_hash, symbol, period):
            frame = self.market_data[symbol]
            before = frame["close"].shift(1)
            ranges = pd.concat(
                [frame["high"] - frame["low"], (frame["high"] - before).abs(), (frame["low"] - before).abs()],
                axis=1,
            )
            return ranges.max(axis=1).ewm(alpha=1 / period, adjust=False).mean().iloc[-1]

        self.window, self.atr = window, atr
        if cached:
            pool = LRUCache(maxsize=50)
            self.window = cachetools_cached(pool, key=lambda symbol, window: f"{symbol}_{window}")(window)
            self.atr = cachetools_cached(LRUCache(maxsize=100))(atr)

    def tick(self, symbol, price):
        frame = self.market_data[symbol]
        if self.count[symbol] % PER_CANDLE == 0:
            frame = self.pd.concat([frame.iloc[1:], frame.iloc[-1:]], ignore_index=True)
            frame.iloc[-1] = [price, price, price, price, 1.0]
            self.market_data[symbol] = frame
        else:
            at = len(frame) - 1
            frame.iat[at, 1] = max(frame.iat[at, 1], price)
            frame.iat[at, 2] = min(frame.iat[at, 2], price)
            frame.iat[at, 3] = price
        self.count[symbol] += 1
        last = self.window(symbol, WINDOW)["close"].iat[-1]
        # The guide's key is a hash of the data: over the whole window, each time.
        name = hashlib.md5(frame.to_numpy().tobytes()).hexdigest()
        return last, self.atr(name, symbol, PERIOD)


class InBuffers:
    """A buffer a symbol, the indicator attached."""

    def __init__(self):
        import m5mem

        made = {}
        for symbol in SYMBOLS:
            buffer = made[symbol] = m5mem.CandleBuffer(WINDOW, interval=PER_CANDLE)
            for i in range(WINDOW):
                buffer.push_tick(i * PER_CANDLE, 100.0, 1.0)
        self.market_data = made
        self.atr = {s: b.attach(m5mem.ATR(PERIOD)) for s, b in made.items()}
        self.at = dict.fromkeys(SYMBOLS, WINDOW * PER_CANDLE)

    def tick(self, symbol, price):
        buffer = self.market_data[symbol]
        buffer.push_tick(self.at[symbol], price, 1.0)
        self.at[symbol] += 1
        return buffer.window(WINDOW, "close")[-1], self.atr[symbol].value


def buffer_alone(way):
    """Bytes of one preallocated buffer of 200 candles that are all there."""
    if way == "m5mem":
        import m5mem

        buffer = m5mem.CandleBuffer(200)
        buffer.extend([(100.5, 101.5, 99.5, 100.5, 10.5)] * 200)
        return buffer.nbytes
    import pandas as pd

    frame = pd.DataFrame(index=range(200), columns=["open", "high", "low", "close", "volume"])
    for i in range(200):
        frame.iloc[i] = [100.5 + i, 101.5 + i, 99.5 + i, 100.25 + i, 10.5 + i]
    return int(frame.memory_usage(deep=True).sum())


def main():
    way, ticks = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    store = InBuffers() if way == "m5mem" else InPandas(cached=way == "guide")
    stream = list(prices(ticks))
    wrong, spent = 0, []
    for symbol, price in stream:
        began = time.thread_time_ns()
        last, _ = store.tick(symbol, price)
        spent.append(time.thread_time_ns() - began)
        wrong += bool(last != price)
    spent = sorted(spent[ticks // 10 :])
    print(
        json.dumps(
            {
                "rss": rss(),
                "median": spent[len(spent) // 2] * 1e-9,
                "p99": spent[len(spent) * 99 // 100] * 1e-9,
                "wrong": wrong,
                "ticks": ticks,
                "buffer": buffer_alone(way),
            }
        )
    )


if __name__ == "__main__":
    main()
