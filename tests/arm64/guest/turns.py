"""An event loop that one function holds up now and then. It says "ready", and answers each line with what target.py does."""

import asyncio
import json
import sys
import threading
import time

turns = {"loop": 0}


def hold_up():
    """Longer than any turn should take."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


async def main():
    """Turns without end."""
    while True:
        turns["loop"] += 1
        if turns["loop"] % 50 == 0:
            hold_up()
        await asyncio.sleep(0.01)


threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps({"wrong": [], "turns": turns}), flush=True)
