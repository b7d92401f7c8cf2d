"""The command line of CPython for an interpreter that freeze-core packs: it is started as `python`, and its frozen
start-up calls run(); older packages have none and take this file for it. Options of the interpreter are taken and left
without effect, but `-u`."""

import os
import runpy
import signal
import sys

WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")


def init():
    """What the start-up that is not here would set up: nothing."""


def run(*_):
    words = sys.argv[1:]
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        option = words.pop(0)
        if option in WITH_VALUE:
            words.pop(0)
            continue
        if option in ("-V", "--version"):
            print("Python", sys.version.split()[0])
            return
        for i, letter in enumerate(option[1:], 1):
            if letter == "u":
                sys.stdout.reconfigure(write_through=True)
            if letter in "cm":
                rest = [option[i + 1 :]] if option[i + 1 :] else []
                start(letter, rest + words)
                return
    start("", words)


def describe_build():
    """What `sysconfig` asks for and no wheel brings: the little that libraries want to know of the build."""
    flags = getattr(sys, "abiflags", "")
    arch = getattr(sys.implementation, "_multiarch", "")
    name = f"_sysconfigdata_{flags}_{sys.platform}_{arch}"
    if runpy.importlib.util.find_spec(name) is None:
        tag = f"{sys.implementation.cache_tag}{flags}-{arch}"
        module = sys.modules[name] = type(sys)(name)
        module.build_time_vars = {
            "EXT_SUFFIX": f".{tag}.so",
            "SOABI": tag,
            "Py_GIL_DISABLED": int("t" in flags),
            "VERSION": "{}.{}".format(*sys.version_info),
        }


def start(how, words):
    describe_build()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as the command line of CPython has it
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.path[:0] = ["", *given]
    if how == "m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        return
    main = type(sys)("__main__")
    main.__builtins__ = __builtins__
    if how == "c":
        text, name, sys.argv = words[0], "<string>", ["-c", *words[1:]]
    elif words and words[0] != "-":
        sys.argv = words
        main.__file__ = name = words[0]
        with open(name, "rb") as file:
            text = file.read()
    else:
        text, name, sys.argv = sys.stdin.read(), "<stdin>", ["-"]
    sys.modules["__main__"] = main
    exec(compile(text, name, "exec"), main.__dict__)
