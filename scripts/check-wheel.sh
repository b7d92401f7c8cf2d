#!/usr/bin/env bash
# Proves what a user gets: auditwheel judges a wheel, and it is installed into fresh environments of every CPython 3.9
# and later that is here, with nothing of Rust in reach: the package is used, and the m5 program that came with it.
#
#   scripts/check-wheel.sh              builds the wheel first, for glibc 2.17 and later
#   scripts/check-wheel.sh WHEEL...     judges these; those of another architecture are looked at, not installed
#
# zig (the linker) and auditwheel come from PyPI, into target/wheel-tools. Besides pyenv's interpreters and the system's,
# Debian's newest are taken where tests/interpreters.sh has fetched them (that needs root). M5_MANYLINUX=2_28: another
# glibc to build for.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
export M5_MANYLINUX=${M5_MANYLINUX:-2_17}
tools=$PWD/target/wheel-tools
roots=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

say() { printf 'check-wheel: %s\n' "$*"; }

[ -x "$tools/bin/pip" ] || "$python" -m venv "$tools"
[ -x "$tools/bin/auditwheel" ] ||
    "$tools/bin/pip" install -q --disable-pip-version-check maturin ziglang cargo-zigbuild auditwheel
wheels=("$@")
if [ $# -eq 0 ]; then
    PATH=$tools/bin:$PATH "$tools/bin/python" scripts/wheel_backend.py "$out"
    wheels=("$out"/m5mem-*.whl)
fi

# What its name promises, and nothing in it but the package and one program.
judge() {
    local wheel=$1 told
    told=$("$tools/bin/auditwheel" show "$wheel") || { echo "$told"; return 1; }
    told=$(tr '\n' ' ' <<<"$told")
    case ${wheel##*/} in
    *manylinux_2_17_*) [[ $told == *'"manylinux_2_17_'* ]] ;;
    *manylinux_2_28_*) [[ $told =~ \"manylinux_2_(5|12|17|24|26|27|28)_ ]] ;;
    *) say "${wheel##*/} names no old glibc" && return 1 ;;
    esac || { echo "$told"; return 1; }
    "$python" - "$wheel" <<'PY'
import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
beside = [n for n in names if n.split("/")[0] not in ("m5mem",) and ".dist-info/" not in n]
assert len(beside) == 1 and beside[0].endswith(".data/scripts/m5"), beside
assert any(n.startswith("m5mem/_native") and n.endswith(".so") for n in names), "no native half"
assert "m5mem/py.typed" in names
PY
    say "${wheel##*/}: as auditwheel says, what its name promises"
}

cat >"$out/use.py" <<'PY'
"""Uses what was installed; says how much importing costs where nothing else is imported yet."""
import sys
import time


def rss():
    """Bytes of resident memory: all, and those of the interpreter's own program and library."""
    every = own = 0
    with open("/proc/self/smaps") as file:
        for line in file:
            words = line.split()
            if words[0] == "Rss:":
                every, own = every + int(words[1]), own + int(words[1]) * mine
            elif not words[0].endswith(":"):
                mine = len(words) > 5 and words[5].rpartition("/")[2].startswith(("python3", "libpython3"))
    return every * 1024, own * 1024


rss(), rss()  # what reading it costs is there
(before, before_own), began = rss(), time.thread_time()
import m5mem

took, (after, after_own) = time.thread_time() - began, rss()
cost, paged = after - before, after_own - before_own
import subprocess

buffer = m5mem.CandleBuffer(10)
sma = buffer.attach(m5mem.SMA(3))
for price in (1, 2, 3):
    buffer.append(price, price, price, price, 1)
assert sma.value == 2.0
assert m5mem.cached(lambda x: x)(5) == 5
with m5mem.gc.manage(warmup=0.0):
    pass
program = sys.argv[1]
asked = subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
assert asked.split()[:2] == ["m5", m5mem.__version__], asked
print(
    f"CPython {sys.version.split()[0]}: m5mem {m5mem.__version__} and {asked.strip()}; "
    f"the import cost {cost / 1e6:.2f} MB, {took * 1e3:.0f} ms ({paged / 1e6:.2f} MB of it are code of the interpreter "
    "that nothing had used yet)"
)
PY

clean() { env -i PATH=/usr/bin:/bin HOME="$out" "$@"; }

in_venv() {
    "$1" -m venv "$out/venv"
    clean "$out/venv/bin/pip" install -q --disable-pip-version-check --no-index "$2"
    clean "$out/venv/bin/python" "$out/use.py" "$out/venv/bin/m5"
    rm -rf "$out/venv"
}

# In Debian's roots there is no pip: it runs out of its own wheel.
in_root() {
    local root=$1 version=$2 share=$out/share
    if [ ! -d "$share" ]; then
        mkdir "$share"
        "$tools/bin/pip" download -q --disable-pip-version-check --no-deps -d "$share" pip
        cp "$out/use.py" "$3" "$share"
    fi
    unshare --mount sh -ec '
        root=$1 python=$2
        mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount -t tmpfs none "$root/tmp"
        mkdir "$root/tmp/in"; mount --bind "$3" "$root/tmp/in"
        in_it() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp chroot "$root" "$@"; }
        in_it "$python" -m venv --without-pip /tmp/venv
        pip=$(cd "$3" && echo pip-*.whl) wheel=$(cd "$3" && echo m5mem-*.whl) # there is no shell in there
        in_it /tmp/venv/bin/python "/tmp/in/$pip/pip" install -q --no-index "/tmp/in/$wheel"
        in_it /tmp/venv/bin/python /tmp/in/use.py /tmp/venv/bin/m5
    ' sh "$root" "/usr/bin/python$version" "$share"
}

installed=0
for wheel in "${wheels[@]}"; do
    judge "$wheel"
    [[ $wheel == *_"$(uname -m)".whl ]] || continue
    for at in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3; do
        "$at" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
        in_venv "$at" "$wheel"
        installed=$((installed + 1))
    done
    for root in "$roots"/debian-3.*; do
        version=${root##*/debian-}
        [[ -e $root/.complete && $(id -u) == 0 && $version =~ ^3\.[0-9]+$ ]] || continue
        in_root "$root" "$version" "$wheel"
        installed=$((installed + 1))
    done
done
say "installed without Rust into $installed fresh environments"
