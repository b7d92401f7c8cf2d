"""What the guest's tests look at: it allocates, collects, computes and waits in every way there is, and checks itself.

It says "ready", answers each line on its input with a line of JSON (its collections by gc.callbacks and gc.get_stats,
what went wrong so far, how far it got), and ends with its input.
"""

import ctypes
import gc
import json
import os
import select
import socket
import sys
import threading
import time

LONG = 3.0
"""Seconds that each call waits."""
LATE = 30.0
"""How much later it may return: emulation is slow, and a freeze there takes seconds."""

libc = ctypes.CDLL(None, use_errno=True)
wrong = []
turns = {}
collections = []
wanted = {}


def each(name):
    """Runs a function in a thread of its own over and over."""

    def begin(work):
        def run():
            while True:
                work()
                turns[name] = turns.get(name, 0) + 1

        threading.Thread(target=run, daemon=True).start()
        return work

    return begin


def called(name, result, wanted):
    """Notes a raw call that did not return what it should."""
    if result not in wanted:
        wrong.append(f"{name} returned {result}, error {ctypes.get_errno()}")


def in_time(name, began):
    """Notes a wait that did not take as long as it should."""
    took = time.monotonic() - began
    if not LONG - 0.1 <= took <= LONG + LATE:
        wrong.append(f"{name} took {took:.2f} s")


@each("sleep")
def _sleep():
    began = time.monotonic()
    called("usleep", libc.usleep(int(LONG * 1e6)), (0,))
    in_time("usleep", began)


@each("event")
def _event():
    began = time.monotonic()
    threading.Event().wait(LONG)
    in_time("a timed lock", began)


@each("poll")
def _poll():
    began = time.monotonic()
    called("poll", libc.poll(None, 0, int(LONG * 1000)), (0,))
    in_time("poll", began)


epoll = select.epoll()


@each("epoll")
def _epoll():
    events = (ctypes.c_uint64 * 4)()
    called("epoll_wait", libc.epoll_wait(epoll.fileno(), events, 1, int(LONG * 1000)), (0,))


ours, theirs = socket.socketpair()
ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, b"\3" + bytes(15))


@each("recv")
def _recv():
    called("recv", libc.recv(ours.fileno(), ctypes.create_string_buffer(8), 8, 0), (-1,))
    if ctypes.get_errno() == 4:
        wrong.append("recv with a timeout was interrupted")


pipe_out, pipe_in = os.pipe()


@each("read")
def _read():
    called("read", libc.read(pipe_out, ctypes.create_string_buffer(8), 1), (1,))


@each("write")
def _write():
    time.sleep(1.0)
    os.write(pipe_in, b"x")


@each("compute")
def _compute():
    total = 0.0
    for i in range(3000):
        total += 1.0 / (1.0 + i * 0.5)
    wanted.setdefault("sum", total)
    if wanted["sum"] != total:
        wrong.append(f"a sum came to {total}, before to {wanted['sum']}")


def told(phase, info):
    """What gc.callbacks says."""
    now = time.monotonic_ns()
    if phase == "start":
        collections.append([now, None, info["generation"]])
    elif collections:
        collections[-1][1] = now


def main():
    """Allocates until the input ends."""
    gc.callbacks.append(told)
    keep = [{i: [i]} for i in range(20000)]
    spare = []

    @each("allocate")
    def _allocate():
        spare.append([[] for _ in range(400)])
        if len(spare) > 100:
            spare.clear()
        time.sleep(0.01)

    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "collect":
            gc.collect()
        stats = [s["collections"] for s in gc.get_stats()]
        answer = {
            "collections": collections,
            "stats": stats,
            "wrong": wrong,
            "turns": turns,
            "kept": len(keep),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
