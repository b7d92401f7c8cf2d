"""The package as it is installed, on the guest's own Python."""

import glob
import os
import subprocess
import zipfile

from common import HERE, check

USE = """
import subprocess, sys
import m5mem
buffer = m5mem.CandleBuffer(10)
sma, low = buffer.attach(m5mem.SMA(3)), buffer.attach(m5mem.EMA(3))
for price in (1, 2, 3):
    buffer.append(price, price, price, price, 1)
assert sma.value == 2.0, sma.value
calls = []
double = m5mem.cached(lambda x: calls.append(x) or 2 * x)
assert (double(5), double(5), calls) == (10, 10, [5])
with m5mem.gc.manage(warmup=0.0):
    pass
told = subprocess.run([sys.argv[1], "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
assert told[:2] == ["m5", m5mem.__version__], told
print("m5mem", m5mem.__version__)
"""


def used(python):
    """Imports it, uses it, runs its tests as far as they stand on nothing that is not here."""
    # The static builds have search paths of their own.
    if not python.program.startswith("/usr/bin/"):
        return
    site = f"/tmp/site-{python.name}"
    for file in glob.glob(f"{HERE}/wheel/*.whl"):
        zipfile.ZipFile(file).extractall(site)
    (program,) = glob.glob(f"{site}/m5mem-*.data/scripts/m5")
    os.chmod(program, 0o755)
    environment = {**os.environ, "PYTHONPATH": site}
    done = subprocess.run(
        python.command("-c", USE, program), env=environment, capture_output=True, text=True, check=False
    )
    check(f"{python.name}: the wheel is used", done.returncode == 0, done.stdout.strip() + done.stderr[-300:])
    if not os.path.isdir(f"{HERE}/wheel/site") or python.version != "3.11":
        return
    environment["PYTHONPATH"] += f":{HERE}/wheel/site"
    tests = sorted(glob.glob(f"{HERE}/wheel/tests/test_*.py"))
    done = subprocess.run(
        python.command("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=f"{HERE}/wheel/tests",
    )
    last = done.stdout.strip().splitlines()[-1:] + done.stderr.strip().splitlines()[-1:]
    check(
        f"{python.name}: the wheel's tests",
        done.returncode == 0,
        f"{last} {done.stdout[-600:] if done.returncode else ''}",
    )
