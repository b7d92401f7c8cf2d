#!/usr/bin/env bash
# Proves what a user gets: builds the wheel against an old glibc, lets auditwheel judge it, and installs it into fresh
# environments of every CPython 3.9 and later that is here, with no Rust on the PATH.
#   scripts/check-wheel.sh            glibc 2.17 and later
#   M5_MANYLINUX=2_28 scripts/check-wheel.sh
# zig (the linker) and auditwheel are installed into target/wheel-tools.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
export M5_MANYLINUX=${M5_MANYLINUX:-2_17}
tools=target/wheel-tools
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

[ -x "$tools/bin/auditwheel" ] || "$python" -m venv "$tools"
"$tools/bin/pip" install -q --disable-pip-version-check maturin ziglang cargo-zigbuild auditwheel
PATH=$PWD/$tools/bin:$PATH "$tools/bin/python" scripts/wheel_backend.py "$out"
wheel=$(ls "$out"/m5mem-*.whl)

"$tools/bin/auditwheel" show "$wheel"
"$tools/bin/auditwheel" show "$wheel" | grep -q "manylinux_${M5_MANYLINUX}_" || {
    echo "the wheel is not what its name says" >&2
    exit 1
}

tried=0
for at in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3; do
    [ -x "$at" ] && "$at" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
    "$at" -m venv "$out/venv"
    env -i PATH=/usr/bin:/bin HOME="$out" "$out/venv/bin/pip" install -q --disable-pip-version-check "$wheel"
    env -i PATH="$out/venv/bin:/usr/bin:/bin" HOME="$out" "$out/venv/bin/python" - <<'PY'
import subprocess, sys

import m5mem

buffer = m5mem.CandleBuffer(10)
sma = buffer.attach(m5mem.SMA(3))
for price in (1, 2, 3):
    buffer.append(price, price, price, price, 1)
assert sma.value == 2.0
asked = subprocess.run(["m5", "--version"], capture_output=True, text=True, check=True).stdout
assert asked.split()[1] == m5mem.__version__
print(f"CPython {sys.version.split()[0]}: m5mem {m5mem.__version__}, {asked.strip()}")
PY
    rm -rf "$out/venv"
    tried=$((tried + 1))
done
echo "installed without Rust into $tried environments"
[ "$tried" -gt 0 ]
