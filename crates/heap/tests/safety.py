import errno
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

errors = []
broken_off = []
ticks = {}


def worker(name):
    def wrap(f):
        def run():
            # A signal that a thread could take breaks off its calls by right.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD])
            while True:
                try:
                    f()
                except InterruptedError:
                    broken_off.append(name)
                except BaseException as e:
                    errors.append("%s: %r" % (name, e))
                ticks[name] = ticks.get(name, 0) + 1

        threading.Thread(target=run, daemon=True).start()
        return f

    return wrap


expected = 0.0
for i in range(2000):
    expected += math.sin(i) * math.sqrt(i)


@worker("compute")
def compute():
    total = 0.0
    for i in range(2000):
        total += math.sin(i) * math.sqrt(i)
    if abs(total - expected) > 1e-9:
        raise ValueError(total)


@worker("sleep")
def sleep():
    began = time.monotonic()
    time.sleep(0.01)
    if time.monotonic() - began < 0.01:
        raise ValueError("woke early")


a, b = socket.socketpair()


@worker("echo")
def echo():
    b.sendall(b"ping")
    if a.recv(4) != b"ping":
        raise ValueError("echo")


c, d = socket.socketpair()
c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, b"\0" * 8 + (20000).to_bytes(8, "little"))
import ctypes  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(10)


@worker("rcvtimeo")
def rcvtimeo():
    # Straight into the C library, which does not hide EINTR as Python does.
    n = libc.recv(c.fileno(), buffer, 4, 0)
    if n != -1 or ctypes.get_errno() != errno.EAGAIN:
        raise OSError(ctypes.get_errno(), "recv gave %d" % n)


epoll = select.epoll()
epoll.register(d.fileno(), select.EPOLLIN)
events = ctypes.create_string_buffer(12)


@worker("epoll")
def poll():
    n = libc.epoll_wait(epoll.fileno(), events, 1, 20)
    if n != 0:
        raise OSError(ctypes.get_errno(), "epoll_wait gave %d" % n)


@worker("lock")
def lock():
    event = threading.Event()
    threading.Thread(target=event.set).start()
    if not event.wait(60):
        raise ValueError("event")


@worker("child")
def child():
    if subprocess.call(["/bin/true"]) != 0:
        raise ValueError("child")


handled = 0


def handler(*_):
    global handled
    handled += 1


signal.signal(signal.SIGUSR1, handler)


@worker("signal")
def send():
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.005)


print("ready", flush=True)
while True:
    line = sys.stdin.readline()
    if not line:
        break
    print(
        len(errors),
        len(broken_off),
        min(
            ticks.get(n, 0)
            for n in ("compute", "sleep", "echo", "rcvtimeo", "epoll", "lock", "child", "signal")
        ),
        flush=True,
    )
    for e in errors[:5]:
        sys.stderr.write(e + "\n")
