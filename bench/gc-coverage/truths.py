"""Compiles the truth in C for a Python, and reads what it noted."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def compiled(python, directory):
    """Puts the module into the directory."""
    say = "import sysconfig as s; print(s.get_paths()['include'], s.get_config_var('EXT_SUFFIX'))"
    include, suffix = subprocess.check_output([python, "-c", say], text=True).split()
    if not pathlib.Path(include, "Python.h").exists():
        sys.exit(
            f"{python} has no {include}/Python.h: take a Python with its headers (python3-dev, or of pyenv)"
        )
    command = [
        "cc",
        "-O2",
        "-shared",
        "-fPIC",
        f"-I{include}",
        HERE / "truth.c",
        "-o",
        f"{directory}/truth{suffix}",
    ]
    try:
        subprocess.run(command, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(f"the truth takes a C compiler called cc: {error}")


def noted(path):
    """Start, end and generation of each collection, nanoseconds of CLOCK_MONOTONIC, in order of their starts."""
    lines = pathlib.Path(path).read_text().split("\n")
    return sorted(tuple(map(int, line.split())) for line in lines if line)
