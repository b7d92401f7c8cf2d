#!/usr/bin/env bash
# Installs the wheel in dist/ and runs tests/python on it; builds the wheel first where there is none.
#   scripts/test-python.sh            one Python: the newest that pyenv or the PATH has
#   scripts/test-python.sh --all      every CPython 3.9 and later that is there, Debian's too (tests/interpreters.sh)
#   scripts/test-python.sh 3.9 3.14   these
#   scripts/test-python.sh 3.14t      the build without a GIL (tests/interpreters.sh), with the wheel for it
# M5_TESTS="test_caches.py test_gc.py": only these files (on 3.14t with NumPy alone beside them). M5_SLOW=1 runs the leak tests in length. Environments are kept in target/; types are checked on 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."

roots=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters}
requirements=tests/python/requirements-dev.txt
folder=tests/python
files=("$folder")
[ -z "${M5_TESTS:-}" ] || read -ra files <<<"$(printf "$folder/%s " $M5_TESTS)"
tests=(-m pytest -q -p no:cacheprovider "${files[@]}")
export M5_WHEEL=1 M5_SLOW=${M5_SLOW:-}
results=()

find_python() {
    local found
    found=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/python3 2>/dev/null | tail -1)
    echo "${found:-$(command -v "python$1" || true)}"
}

wheel() { ls -t dist/m5mem-*-cp39-abi3-*.whl 2>/dev/null | head -1; }

# Runs the rest, prints what it says, and keeps its last line: how many passed.
tested() {
    local name=$1 log status=0
    shift
    log=$(mktemp)
    "$@" 2>&1 | tee "$log" || status=$?
    results+=("$name: $(tail -1 "$log")")
    rm -f "$log"
    return $status
}

# An environment of its own, with the wheel and what its tests use.
in_venv() {
    local version=$1 python=$2 venv=target/venv-$1
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --prefer-binary -r "$requirements"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall "$(wheel)"
    echo "== CPython $version: $("$venv/bin/m5" --version)"
    tested "$("$venv/bin/python" -V)" "$venv/bin/python" "${tests[@]}"
    if "$venv/bin/python" -c 'import mypy' 2>/dev/null; then
        "$venv/bin/python" -m mypy --strict -p m5mem
        "$venv/bin/python" -m mypy.stubtest m5mem --ignore-disjoint-bases --concise --allowlist tests/python/stubtest-allow.txt
    fi
}

# Debian's interpreters have no pip: another Python's installs for them, leaving out what has no wheel yet. They run
# in their root, with this folder as its /tmp, in a mount namespace that ends with them.
in_root() {
    local version=$1 root=$2 site=target/site-$1 installer
    installer=target/venv-installer
    [ -x "$installer/bin/pip" ] || "$(find_python 3.13)" -m venv "$installer"
    mkdir -p "$site" target/tmp
    local pip=("$installer/bin/pip" install -q --disable-pip-version-check --upgrade --target "$site"
        --python-version "$version" --only-binary :all:)
    if [ ! -e "$site/.complete" ]; then
        grep -v '^#' "$requirements" | sed 's/;.*//' | while read -r requirement; do
            "${pip[@]}" "$requirement" 2>/dev/null || echo "CPython $version: no wheel of $requirement, its tests are left out"
        done
        : >"$site/.complete"
    fi
    "${pip[@]}" --no-deps --force-reinstall "$(wheel)"
    # The roots hold an interpreter and nothing more; NumPy wants the C++ library, for which this system's serves.
    mkdir -p target/lib
    ldconfig -p | awk '/lib(stdc\+\+|gcc_s|z)\.so\.[0-9]+ .*x86-64/ {print $NF}' | xargs -r cp -nLt target/lib
    echo "== CPython $version (Debian): $("$site/bin/m5" --version)"
    tested "Debian's $version" unshare --mount sh -c '
        root=$1 site=$2 python=$3; shift 3
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind "$PWD" "$root/tmp" || exit 1
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/target/tmp TMPDIR=/tmp/target/tmp M5_WHEEL=1 \
            M5_SLOW="$M5_SLOW" PYTHONPATH="/tmp/$site" PYTHONDONTWRITEBYTECODE=1 \
            LD_LIBRARY_PATH=/tmp/target/lib chroot "$root" "$python" "$@" -c /tmp/pytest.ini --rootdir /tmp
        ' sh "$root" "$site" "/usr/bin/python$version" -m pytest -q -p no:cacheprovider /tmp/tests/python
}

# A build without a GIL, out of a wheel too: it has no pip, and takes its packages from PYTHONPATH.
in_free_threaded() {
    local version=$1 python=$2 minor=${1%t} site=target/site-$1${M5_TESTS:+-few} abi=cp${1/./} wheel installer=target/venv-installer
    [ -x "$installer/bin/pip" ] || python3 -m venv "$installer"
    "$installer/bin/python" -c 'import maturin' 2>/dev/null ||
        "$installer/bin/pip" install -q --disable-pip-version-check 'maturin>=1.9.4,<2'
    M5_FREE_THREADED=$minor PATH=$PWD/$installer/bin:$PATH "$installer/bin/python" scripts/wheel_backend.py target/free-threaded/dist
    wheel=$(ls -t target/free-threaded/dist/m5mem-*-"$abi"-*.whl | head -1)
    local pip=("$installer/bin/pip" install -q --disable-pip-version-check --upgrade --target "$site"
        --python-version "$minor" --implementation cp --abi "$abi" --abi none --only-binary :all:)
    if [ ! -e "$site/.complete" ]; then
        if [ -n "${M5_TESTS:-}" ]; then printf '%s\n' pytest hypothesis numpy; else
            grep -vE '^#|mypy|stubs|polars|talipp|cachebox|async-lru|aiocache' "$requirements" | sed 's/;.*//'; fi | while read -r requirement; do
            "${pip[@]}" "$requirement" 2>/dev/null || echo "CPython $version: no wheel of $requirement, its tests are left out"
        done
        : >"$site/.complete"
    fi
    "${pip[@]}" --no-deps --force-reinstall "$wheel"
    echo "== CPython $version: $("$site/bin/m5" --version)"
    PYTHONPATH=$PWD/$site PYTHONDONTWRITEBYTECODE=1 tested "CPython $version" "$python" "${tests[@]}" -c pytest.ini --rootdir .
}

versions=("$@")
[ "${1:-}" = --all ] && versions=(3.9 3.10 3.11 3.12 3.13 3.14 3.15)
if [ $# -eq 0 ]; then
    for version in 3.13 3.12 3.11 3.10 3.9; do
        [ -n "$(find_python $version)" ] && versions=("$version") && break
    done
fi
[[ "${versions[*]}" =~ t$ && ${#versions[@]} == 1 ]] || [ -n "$(wheel)" ] || scripts/wheel.sh

failed=0
for version in "${versions[@]}"; do
    python=$(find_python "$version")
    if [[ $version == *t ]]; then
        [ -n "$python" ] || [ ! -e "$roots/wheel-$version-glibc/.complete" ] || python=$roots/wheel-$version-glibc/python
        if [ -n "$python" ]; then
            in_free_threaded "$version" "$python" || failed=1
        else
            echo "no CPython $version here: left out" && results+=("CPython $version: not here")
        fi
    elif [ -n "$python" ]; then
        in_venv "$version" "$python" || failed=1
    elif [ -e "$roots/debian-$version/.complete" ] && [ "$(id -u)" = 0 ]; then
        in_root "$version" "$roots/debian-$version" || failed=1
    else
        echo "no CPython $version here: left out"
    fi
done
[ ${#results[@]} -gt 0 ] || { echo "no Python to test with" >&2; exit 1; }
printf '\n'
printf '%s\n' "${results[@]}"
exit $failed
