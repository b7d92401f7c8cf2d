#!/usr/bin/env bash
# Installs the wheel in dist/ into a venv and runs tests/python; builds the wheel first where there is none.
#   scripts/test-python.sh            one Python: the newest that pyenv or the PATH has
#   scripts/test-python.sh --all      every CPython 3.9 to 3.13 that is there
#   scripts/test-python.sh 3.9 3.12   these
# Venvs are kept in target/venv-*. Types are checked where mypy is installed (3.13).
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
    local found
    found=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/python3 2>/dev/null | tail -1)
    echo "${found:-$(command -v "python$1" || true)}"
}

wheel() { ls -t dist/m5mem-*-cp39-abi3-*.whl 2>/dev/null | head -1; }

versions=("$@")
[ "${1:-}" = --all ] && versions=(3.9 3.10 3.11 3.12 3.13)
if [ $# -eq 0 ]; then
    for version in 3.13 3.12 3.11 3.10 3.9; do
        [ -n "$(find_python $version)" ] && versions=("$version") && break
    done
fi
[ -n "$(wheel)" ] || scripts/wheel.sh

ran=0
for version in "${versions[@]}"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "no CPython $version here: left out"
        continue
    fi
    venv=target/venv-$version
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --prefer-binary -r tests/python/requirements-dev.txt
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall "$(wheel)"
    echo "== CPython $version: $("$venv/bin/m5" --version 2>/dev/null || echo 'no m5 in the wheel')"
    "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/python
    if "$venv/bin/python" -c 'import mypy' 2>/dev/null; then
        "$venv/bin/python" -m mypy --strict -p m5mem
        "$venv/bin/python" -m mypy.stubtest m5mem --ignore-disjoint-bases --concise --allowlist tests/python/stubtest-allow.txt
    fi
    ran=$((ran + 1))
done
[ "$ran" -gt 0 ] || { echo "no Python to test with" >&2; exit 1; }
