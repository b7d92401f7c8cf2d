"""Interpreters and packages of the cases: each requirement is installed once, into a folder of its own."""

import glob
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parents[1] / ".venv" / "leaks"
_installing = threading.Lock()


def interpreter(version=None):
    """An interpreter of that version; None where there is none."""
    if version is None or version == "%d.%d" % sys.version_info[:2]:
        return sys.executable
    pyenv = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/%s.*/bin/python" % version)))
    return pyenv[-1] if pyenv else shutil.which("python" + version)


def installed(python, requirement):
    """The folder with that requirement for that interpreter; None where it cannot be had."""
    with _installing:
        return _installed(python, requirement)


def _installed(python, requirement):
    asked = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True
    )
    version = asked.stdout.decode().strip()
    folder = PACKAGES / ("%s-py%s" % (requirement.replace(" ", "+"), version))
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        pip = [python, "-m", "pip"]
        if subprocess.run([*pip, "--version"], capture_output=True).returncode != 0:
            # Another one's pip, for that version: markers are read as on the other one, so this comes second.
            pip = [sys.executable, "-m", "pip", "--python-version", version]
        install = [*pip[:3], "install", *pip[3:], "--quiet", "--only-binary=:all:"]
        install += ["--disable-pip-version-check", "--root-user-action=ignore"]
        install += ["--target", str(folder), *requirement.split()]
        if subprocess.run(install, timeout=600, stderr=subprocess.DEVNULL).returncode != 0:
            return None
        (folder / "ready").touch()
    return folder


def environment(python, requirement):
    """Variables that a case runs with; None where its package cannot be had."""
    variables = dict(os.environ, PYTHONHASHSEED="0")
    if requirement is None:
        return variables
    folder = installed(python, requirement)
    return None if folder is None else dict(variables, PYTHONPATH=str(folder))
