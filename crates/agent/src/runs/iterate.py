# Run by `m5 leaks` in the place of the program: the same work again and again in one process, and after each chunk
# of it, a full collection and two counts. Arguments: report, whether to wait for a word on standard input after each
# count (the program itself reads nothing then), iterations, chunks, kind, name, the program's own.
import gc
import os
import sys


def _work(kind, name):
    if kind == "call":
        import importlib

        sys.path.insert(0, "")
        module, _, function = name.partition(":")
        target = importlib.import_module(module)
        for part in function.split("."):
            target = getattr(target, part)
        return target
    if kind == "code":
        code = compile(name, "<string>", "exec")
        return lambda: exec(code, {"__name__": "__main__"})
    import runpy

    if kind == "module":
        sys.path.insert(0, "")
        return lambda: runpy.run_module(name, run_name="__main__", alter_sys=True)
    sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
    return lambda: runpy.run_path(name, run_name="__main__")


def _anonymous():
    try:
        with open("/proc/self/status") as lines:
            words = [line.split() for line in lines if line.startswith(("RssAnon:", "VmSwap:"))]
        return sum(int(word[1]) << 10 for word in words) if words else "-"
    except Exception:  # then it is not measured
        return "-"


def _allocator():
    # Bytes in use of the C library's allocator, in all arenas and in mappings of their own; glibc 2.33 and later.
    try:
        import ctypes

        class Info(ctypes.Structure):
            _fields_ = [("words", ctypes.c_size_t * 10)]

        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = Info

        def used():
            words = ask().words
            return words[4] + words[7]  # what is mapped by itself, and the rest

        used()
        return used
    except Exception:  # then it is not measured
        return lambda: "-"


def _settings():
    # glibc read it when this process started; what an iteration starts has what the user gave.
    own, _, more = os.environ.pop("GLIBC_TUNABLES", "").rpartition("glibc.malloc.tcache_count=0")
    if own.strip(":") or more:
        os.environ["GLIBC_TUNABLES"] = own.rstrip(":") + more


def _forget():
    # What the interpreter caches for itself keeps names that nobody asks for again, some thousand of them: it is emptied
    # before each count, as CPython's own hunt for leaks does.
    forget = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
    try:
        if forget is not None:
            forget()
    except Exception:  # then it fills up
        pass


def _main():
    report, halts, iterations, chunks, kind, name = sys.argv[1:7]
    iterations, chunks = int(iterations), int(chunks)
    _settings()
    sys.argv = [name if kind == "script" else "-c", *sys.argv[7:]]
    gate = None
    if halts == "halts":
        gate, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
    work = _work(kind, name)
    native = _allocator()
    out = os.open(report, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    done = 0
    for _ in range(chunks + 1):
        for _ in range(iterations):
            try:
                work()
            except SystemExit as end:
                if end.code not in (None, 0):
                    raise
        done += iterations
        gc.collect()
        _forget()
        gc.collect()
        objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()
        os.write(out, ("%d %d %d %s %s\n" % (done, objects, blocks, _anonymous(), native())).encode())
        if gate is not None:
            os.read(gate, 1)
    os.close(out)


_main()
