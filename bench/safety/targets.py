"""Programs that check their own results while they are captured. Each line that they read is answered with the number
of wrong results so far."""

import ctypes
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time

wrong = 0


def check(right):
    global wrong
    wrong += not right


def forever(work):
    def run():
        while True:
            work()

    threading.Thread(target=run, daemon=True).start()


def numeric():
    data = bytearray(b"x") * (96 << 20)

    def rewrite():
        for i in range(0, len(data), 4096):
            data[i] = (data[i] + 1) & 255

    forever(rewrite)


def objects():
    kept = {i: [i, str(i)] for i in range(200_000)}

    def churn():
        for i in range(0, 200_000, 7):
            kept[i] = [i, str(i)]
            check(kept[(i * 31) % 200_000][0] == (i * 31) % 200_000)

    forever(churn)


def executes():
    here = [sys.executable, "-u", os.path.abspath(__file__), "executes"]
    signal.signal(signal.SIGUSR1, lambda *_: os.execv(sys.executable, here))
    bytearray(40 << 20)


def forks():
    def work():
        check(subprocess.run(["true"]).returncode == 0)
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        check(os.waitpid(pid, 0)[1] == 3 << 8)

    forever(work)


def threads():
    kept = [[i] for i in range(100_000)]

    def work():
        started = [threading.Thread(target=lambda: check(sum(range(1000)) == 499_500)) for _ in range(8)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        check(len(kept) == 100_000)
        check(select.select([], [], [], 0.001) == ([], [], []))

    forever(work)


def signals():
    count = [0]
    signal.signal(signal.SIGRTMIN, lambda *_: count.__setitem__(0, count[0] + 1))

    def work():
        before = count[0]
        os.kill(os.getpid(), signal.SIGRTMIN)
        end = time.monotonic() + 20
        while count[0] == before and time.monotonic() < end:
            time.sleep(0.0005)
        check(count[0] == before + 1)

    forever(work)


def filters():
    """Each SIGUSR1 puts one more worker under a filter that kills the process for fork and wait."""
    libc = ctypes.CDLL(None, use_errno=True)

    def forbid():
        program = [struct.pack("HBBI", 0x20, 0, 0, 0)]
        numbers = [56, 57, 58, 435, 61, 247]
        program += [struct.pack("HBBI", 0x15, len(numbers) - i, 0, n) for i, n in enumerate(numbers)]
        program += [struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), struct.pack("HBBI", 6, 0, 0, 0x80000000)]
        text = ctypes.create_string_buffer(b"".join(program))

        class Program(ctypes.Structure):
            _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

        libc.prctl(38, 1, 0, 0, 0)
        check(libc.prctl(22, 2, ctypes.byref(Program(len(program), ctypes.addressof(text))), 0, 0) == 0)
        while True:
            sum(range(1000))
            time.sleep(0.01)

    signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=forbid, daemon=True).start())
    forever(lambda: time.sleep(0.001))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(wrong, flush=True)
