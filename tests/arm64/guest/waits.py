"""A thread in each call that the kernel breaks off for a stop: none may end early, or hear of a signal that never was.

Raw calls of the C library, for Python itself hides EINTR. It speaks as target.py does.
"""

import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

LONG = 1.0
"""Seconds that each call with a time waits."""
EINTR, ETIMEDOUT, EAGAIN = 4, 110, 11

libc = ctypes.CDLL(None, use_errno=True)
wrong = []
turns = {}
NANO = struct.pack("ll", int(LONG), int(LONG % 1 * 1e9))
MICRO = struct.pack("ll", int(LONG), int(LONG % 1 * 1e6))
FUTEX, SEMTIMEDOP = (98, 192) if os.uname().machine == "aarch64" else (202, 220)


def each(name, wanted, timed=True):
    """A thread of its own that makes a call over and over. `wanted`: a result, or the errors that a result of -1 has."""

    def begin(call):
        turns[name] = 0

        def run():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
            while True:
                began = time.monotonic()
                ctypes.set_errno(0)
                result = call()
                error = ctypes.get_errno()
                took = time.monotonic() - began
                good = result in wanted if result != -1 else -error in wanted
                if not good:
                    wrong.append(f"{name} gave {result}, error {error}, after {took:.3f} s")
                elif (
                    timed and took < LONG / 2
                ):  # ticks that an emulated processor caught up on make some waits shorter
                    wrong.append(f"{name} took {took:.3f} s")
                turns[name] += 1

        threading.Thread(target=run, daemon=True).start()
        return call

    return begin


def until():
    """The end of a wait by the clock that never jumps."""
    at = time.monotonic() + LONG
    return struct.pack("ll", int(at), int(at % 1 * 1e9))


def pair(option):
    """Two sockets, of which the first gives up after a time."""
    one, two = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, option, MICRO)
    return one, two


def full(descriptor):
    """Writes until there is no room."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except BlockingIOError:
        os.set_blocking(descriptor, True)


buffer = ctypes.create_string_buffer(4096)
word = ctypes.c_int(0)
epoll = select.epoll()
receiver, receives_from = pair(socket.SO_RCVTIMEO)
sender, sends_to = pair(socket.SO_SNDTIMEO)
sender.setblocking(False)
try:
    while True:
        sender.send(bytes(4096))
except BlockingIOError:
    os.set_blocking(sender.fileno(), True)
listener = socket.socket(socket.AF_UNIX)
folder = tempfile.mkdtemp()
listener.bind(folder + "/s")
listener.listen()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, MICRO)
semaphore = libc.semget(0, 1, 0o1600)
queue = libc.msgget(0, 0o1600)

each("nanosleep", (0,))(lambda: libc.nanosleep(NANO, None))
each("clock_nanosleep", (0,))(lambda: libc.clock_nanosleep(1, 0, NANO, None))
each("clock_nanosleep until", (0,))(lambda: libc.clock_nanosleep(1, 1, until(), None))
each("poll", (0,))(lambda: libc.poll(None, 0, int(LONG * 1000)))
each("ppoll", (0,))(lambda: libc.ppoll(None, 0, NANO, None))
each("select", (0,))(lambda: libc.select(0, None, None, None, ctypes.create_string_buffer(MICRO)))
each("epoll_wait", (0,))(lambda: libc.epoll_wait(epoll.fileno(), buffer, 1, int(LONG * 1000)))
each("recv", (-EAGAIN,))(lambda: libc.recv(receiver.fileno(), buffer, 8, 0))
each("send", (-EAGAIN,))(lambda: libc.send(sender.fileno(), bytes(4096), 4096, 0))
each("accept", (-EAGAIN,))(lambda: libc.accept(listener.fileno(), None, None))
each("futex", (-ETIMEDOUT,))(lambda: libc.syscall(FUTEX, ctypes.byref(word), 128, 0, NANO, None, 0))
each("futex until", (-ETIMEDOUT,))(
    lambda: libc.syscall(FUTEX, ctypes.byref(word), 128 | 9, 0, until(), None, ctypes.c_long(0xFFFFFFFF))
)
each("semtimedop", (-EAGAIN,))(
    lambda: libc.syscall(SEMTIMEDOP, semaphore, struct.pack("Hhh", 0, -1, 0), 1, NANO)
)
each("sigtimedwait", (-EAGAIN,))(
    lambda: libc.sigtimedwait(struct.pack("Q", 1 << 11) + bytes(120), None, NANO)
)
each("a timed lock", (0,))(lambda: int(threading.Event().wait(LONG)))

# These wait for something that comes once a second; and these for what never comes.
read_end, write_end = os.pipe()
each("read", (1,), timed=False)(lambda: libc.read(read_end, buffer, 1))
full_end, filled_end = os.pipe()
full(filled_end)
each("write", (4096,), timed=False)(lambda: libc.write(filled_end, bytes(4096), 4096))
each("msgrcv", (1,), timed=False)(lambda: libc.msgrcv(queue, buffer, 8, 0, 0))
event = libc.eventfd(0, 0)
each("eventfd", (8,), timed=False)(lambda: libc.read(event, buffer, 8))


@each("wait4", (0,), timed=False)
def _child():
    """Waits for a child that sleeps."""
    pid = os.fork()
    if pid == 0:
        time.sleep(LONG)
        os._exit(0)
    result = libc.waitpid(pid, None, 0)
    return 0 if result == pid else result


def give():
    """Lets those go on that wait for something."""
    while True:
        time.sleep(LONG)
        os.write(write_end, b"x")
        os.read(full_end, 4096)
        libc.msgsnd(queue, struct.pack("l", 1) + b"x", 1, 0)
        os.write(event, struct.pack("Q", 1))


threading.Thread(target=give, daemon=True).start()


def forever(call):
    """A call that never ends, but by a fault."""

    def run():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
        ctypes.set_errno(0)
        wrong.append(f"{call()} with error {ctypes.get_errno()} from what never ends")

    threading.Thread(target=run, daemon=True).start()


silent_read, silent_write = os.pipe()
fifo = folder + "/fifo"
os.mkfifo(fifo)
forever(libc.pause)
forever(lambda: libc.read(silent_read, buffer, 1))
forever(lambda: libc.poll(None, 0, -1))
forever(lambda: libc.epoll_wait(epoll.fileno(), buffer, 1, -1))
forever(lambda: libc.syscall(FUTEX, ctypes.byref(word), 128, 0, None, None, 0))
forever(lambda: libc.open(fifo.encode(), 0))
forever(lambda: libc.sigsuspend(bytes(128)))
forever(lambda: libc.semop(semaphore, struct.pack("Hhh", 0, -1, 0), 1))

print("ready", flush=True)
for _line in sys.stdin:
    print(json.dumps({"wrong": wrong, "turns": turns}), flush=True)
libc.semctl(semaphore, 0, 0)
libc.msgctl(queue, 0, None)
