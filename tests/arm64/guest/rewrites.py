"""A service that holds 60 MB and rewrites all of it in place, over and over; it speaks as target.py does."""

import json
import sys
import threading
import time

PAGE = 4096
held = bytearray(60 << 20)
table = {i: [i] for i in range(5000)}
turns = {"rewrite": 0}
wrong = []


def rewrite():
    """A new word in each page, after the old one was looked at."""
    last = 0
    while True:
        new = turns["rewrite"] % 255 + 1
        for at in range(0, len(held), PAGE):
            if held[at] != last:
                wrong.append(f"page {at // PAGE} held {held[at]} instead of {last}")
            held[at] = new
        last = new
        turns["rewrite"] += 1
        time.sleep(0.001)


threading.Thread(target=rewrite, daemon=True).start()
while turns["rewrite"] < 2:
    time.sleep(0.01)
print("ready", flush=True)
for _line in sys.stdin:
    print(json.dumps({"wrong": wrong[:5], "turns": turns}), flush=True)
