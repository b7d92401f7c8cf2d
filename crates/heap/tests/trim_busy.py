"""Blocks of the C library filled with patterns, by several threads; every live byte is checked before it is freed.

Says "ready", then for every line that it reads: errors, rounds of the slowest thread, what malloc_info finds wrong.
`one`: a single thread does it all, between its lines. `locked`: all memory is locked. `trims`: the program trims itself
meanwhile. `ends`: its threads end and leave their arenas to others.
"""

import ctypes
import os
import random
import sys
import threading
import time

THREADS = 3 if "one" not in sys.argv else 1
LARGEST = 96 << 10
libc = ctypes.CDLL(None)
for name in ("malloc", "calloc", "realloc", "memalign"):
    function = getattr(libc, name)
    function.restype = ctypes.c_void_p
    function.argtypes = (
        [ctypes.c_void_p, ctypes.c_size_t]
        if name == "realloc"
        else [ctypes.c_size_t] * (1 if name == "malloc" else 2)
    )
libc.free.argtypes = [ctypes.c_void_p]
libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
libc.memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
pattern = ctypes.create_string_buffer(
    random.Random(1).getrandbits(16 * LARGEST).to_bytes(2 * LARGEST, "little"), 2 * LARGEST
)
zeroes = ctypes.create_string_buffer(LARGEST)
PATTERN, ZEROES = ctypes.addressof(pattern), ctypes.addressof(zeroes)
errors = [0] * THREADS
rounds = [0] * THREADS


class Worker:
    def __init__(self, number):
        self.number = number
        self.random = random.Random(number)
        self.blocks = [None] * 4000

    def fresh(self):
        size = self.random.choice((24, 100, 700, 3000, 9000, 30000, LARGEST))
        return self.random.randrange(8, size + 1), self.random.randrange(LARGEST)

    def check(self, block, size, shift):
        if libc.memcmp(block, PATTERN + shift, size):
            errors[self.number] += 1

    def turn(self):
        place = self.random.randrange(len(self.blocks))
        held = self.blocks[place]
        size, shift = self.fresh()
        how = self.random.randrange(5)
        if held and how == 0:
            old, old_size, old_shift = held
            block = libc.realloc(old, size)
            self.check(block, min(size, old_size), old_shift)
        else:
            if held:
                self.check(*held)
                libc.free(held[0])
                self.blocks[place] = None
            if how == 4:
                return
            if how == 1:
                block = libc.calloc(1, size)
                if libc.memcmp(block, ZEROES, size):
                    errors[self.number] += 1
            elif how == 2:
                block = libc.memalign(64, size)
            else:
                block = libc.malloc(size)
        libc.memcpy(block, PATTERN + shift, size)
        self.blocks[place] = (block, size, shift)

    def wave(self):
        """Most of it is freed, so that there is something to give back."""
        for place, held in enumerate(self.blocks):
            if held and place % 8:
                self.check(*held)
                libc.free(held[0])
                self.blocks[place] = None

    def work(self, turns=2000):
        for _ in range(turns):
            self.turn()
        self.wave()
        rounds[self.number] += 1

    def run(self):
        while True:
            self.work()

    def run_in_short_threads(self):
        while True:
            thread = threading.Thread(target=self.work, args=(200,), daemon=True)
            thread.start()
            thread.join()


def trims_itself():
    while True:
        libc.malloc_trim(0)
        time.sleep(0.003)


def consistent():
    """What malloc_info says makes sense: the allocator walks its lists for it, and aborts where they are broken."""
    with os.fdopen(os.memfd_create("info"), "w+b") as file:
        stream = libc.fdopen
        stream.restype = ctypes.c_void_p
        out = ctypes.c_void_p(stream(os.dup(file.fileno()), b"w"))
        failed = libc.malloc_info(0, out)
        libc.fclose(out)
        file.seek(0)
        return not failed and b"</malloc>" in file.read()


workers = [Worker(number) for number in range(THREADS)]
if "locked" in sys.argv and libc.mlockall(3):
    print("no right to lock memory", flush=True)
    sys.exit()
if THREADS > 1:
    for worker in workers:
        way = worker.run_in_short_threads if "ends" in sys.argv else worker.run
        threading.Thread(target=way, daemon=True).start()
    if "trims" in sys.argv:
        threading.Thread(target=trims_itself, daemon=True).start()
else:
    workers[0].work(20000)
print("ready", flush=True)
while line := sys.stdin.readline():
    if THREADS == 1:
        workers[0].work()
    print(sum(errors), min(rounds), int(not consistent()), flush=True)
