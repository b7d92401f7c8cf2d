"""Threads that begin at once, for the tests of what they share."""

import sys
import threading

THREADS = 8


def together(work, threads=THREADS):
    """Runs ``work(number)`` in so many threads that begin at one moment, switched as often as can be; their results. The
    first error is raised."""
    start, results, errors = threading.Barrier(threads), [None] * threads, []

    def run(number):
        try:
            start.wait(60)
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        workers = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
    finally:
        sys.setswitchinterval(pause)
    assert not any(worker.is_alive() for worker in workers), "a thread hangs"
    if errors:
        raise errors[0]
    return results


class Key:
    """A key that only Python can compare; every second one has the same hash."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return isinstance(other, Key) and self.number == other.number

    def __hash__(self):
        return self.number // 2
