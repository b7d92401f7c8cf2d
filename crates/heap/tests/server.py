"""A busy server: threads in Python, asleep and in C, children that are waited for, and clients that count."""

import asyncio
import ctypes
import subprocess
import sys
import threading
import time

errors = 0
stop = False


def busy():
    while not stop:
        rows = [{i: str(i)} for i in range(300)]
        if len(rows) != 300:
            fail()


def sleeper():
    while not stop:
        time.sleep(0.002)


def native():
    libc = ctypes.CDLL(None)
    while not stop:
        libc.usleep(3000)


def parent():
    while not stop:
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(0.05)"])
        if child.wait() != 0:
            fail()


def fail():
    global errors
    errors += 1


def guarded(work):
    def run():
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            fail()

    return run


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            await asyncio.sleep(0)
            writer.write(b"%d\n" % (int(line) + 1))
            await writer.drain()
    except Exception as error:
        print(repr(error), file=sys.stderr)
        fail()
    writer.close()


async def main():
    global stop
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    threads = [threading.Thread(target=guarded(w), daemon=True) for w in (busy, sleeper, native, parent)]
    for thread in threads:
        thread.start()
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        maps = sum(1 for _ in open("/proc/self/maps"))
        print(errors, maps, flush=True)
    stop = True


asyncio.run(main())
