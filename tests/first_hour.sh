#!/usr/bin/env bash
# The first hour of a new user, in the root of another Debian with processes of its own: installs the wheel beside a
# FastAPI service that leaks, and asks m5 what a user would ask. Each answer must be there.
#
#   tests/first_hour.sh [--wheel FILE] [--m5 FILE]
#
# --wheel   the wheel to install (default: built from this tree, unoptimised)
# --m5      a static m5 instead
#
# An m5 that is static, in the wheel (M5_PROGRAM) or alone, is also tried in a root without glibc (Alpine's libc).
#
# Needs root, and an interpreter of tests/interpreters.sh. Exit codes: 0 fine, 1 not, 3 left out (it says why).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'first hour: %s\n' "$*" >&2; }
leave_out() { say "left out: $*"; exit 3; }
die() { say "$*"; exit 1; }

wheel='' m5=''
while (($#)); do
    case $1 in
    --wheel) wheel=$2 && shift 2 ;;
    --m5) m5=$(realpath "$2") && shift 2 ;;
    *) say "usage: tests/first_hour.sh [--wheel FILE] [--m5 FILE]" && exit 2 ;;
    esac
done
roots=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters}
root=$roots/debian-3.14
((EUID == 0)) || leave_out "it needs root for a root of its own"
[[ -e $root/.complete ]] || leave_out "no interpreter in $root: run tests/interpreters.sh"
unshare --mount --pid --fork true 2>/dev/null || leave_out "no namespaces of its own here"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}

# What a user has already: a service with its packages.
"$python" -m pip install --quiet --disable-pip-version-check --target "$work/site" --python-version 3.14 \
    --implementation cp --only-binary :all: 'fastapi' 'uvicorn' 2>"$work/pip.log" ||
    leave_out "FastAPI could not be had: $(tail -1 "$work/pip.log")"

# What a user does first.
if [[ -z $m5 ]]; then
    if [[ -z $wheel ]]; then
        M5_WHEEL_PROFILE=${M5_WHEEL_PROFILE:-dev} "$python" scripts/wheel_backend.py "$work/dist" >"$work/wheel.log" 2>&1 ||
            { tail -20 "$work/wheel.log" >&2 && die "no wheel"; }
        wheel=$(echo "$work"/dist/*.whl)
    fi
    # A folder of its own: pip leaves a bin alone that is there, and uvicorn has one.
    "$python" -m pip install --quiet --disable-pip-version-check --target "$work/package" --python-version 3.14 \
        --implementation cp --only-binary :all: --no-deps "$wheel"
    cp -r "$work/package/." "$work/site/"
    m5=$work/site/bin/m5
fi
mkdir -p "$work/bin" && cp "$m5" "$work/bin/m5"

cat >"$work/shop.py" <<'PYTHON'
"""A shop that forgets no order."""
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI


class Order:
    def __init__(self, number):
        self.number, self.lines = number, ["x" * 200 for _ in range(5)]


orders = []


@asynccontextmanager
async def ready(app):
    print("ready", os.getpid(), flush=True)
    yield


app = FastAPI(lifespan=ready)


@app.get("/order")
async def order():
    orders.append(Order(len(orders)))
    return len(orders)
PYTHON
cat >"$work/customer.py" <<'PYTHON'
import http.client
while True:
    shop = http.client.HTTPConnection("127.0.0.1", 8000)
    for _ in range(100):
        shop.request("GET", "/order")
        shop.getresponse().read()
PYTHON

export root work
unshare --mount --pid --fork --kill-child bash -euo pipefail -s <<'INSIDE' || die "the hour went wrong"
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/{upper,inner,merged}
mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/inner" /mnt/merged
here=/mnt/merged
mkdir -p $here/{proc,dev,tmp,opt,srv}
mount -t proc proc $here/proc
mount --rbind /dev $here/dev
cp -r "$work/site" $here/opt/site
cp -r "$work/bin" $here/opt/bin
cp "$work"/*.py $here/srv/

# There is no shell in there: the programs themselves are started.
chroot=$(command -v chroot)
within() { env -i PATH=/opt/bin:/usr/bin HOME=/tmp LANG=C.UTF-8 PYTHONPATH=/opt/site "$chroot" $here "$@"; }
# ask NAME WORDS… -- PATTERN…: each pattern must stand in what m5 says; an objective missed (1) and "not yet" (6) are answers.
ask() {
    local words=() status=0
    while [[ $1 != -- ]]; do words+=("$1") && shift; done
    shift
    within /opt/bin/m5 "${words[@]}" >/mnt/said 2>/mnt/complained || status=$?
    ((status == 0 || status == 1 || status == 6)) ||
        { printf 'm5 %s: exit %s\n' "${words[*]}" "$status" >&2; cat /mnt/said /mnt/complained >&2; exit 1; }
    for pattern; do
        grep -qE -- "$pattern" /mnt/said ||
            { printf 'm5 %s: no %s in\n' "${words[*]}" "$pattern" >&2; cat /mnt/said /mnt/complained >&2; exit 1; }
    done
    printf 'first hour: m5 %s: %s\n' "${words[*]}" "$(grep -m1 -E -- "${1:-.}" /mnt/said)" >&2
}

ask --version -- '^m5 [0-9]'
[[ ! -d $work/site/m5mem ]] ||
    within /usr/bin/python3.14 -c 'import m5mem; assert m5mem.cached(len)("abc") == 3; print("first hour: m5mem", m5mem.__version__)' >&2
ask list -- 'No Python process|PID'

mkfifo /mnt/ready
within /usr/bin/python3.14 -m uvicorn shop:app --app-dir /srv --port 8000 --log-level warning >/mnt/ready &
read -r word pid </mnt/ready
[[ $word == ready ]]
within /usr/bin/python3.14 /srv/customer.py &
customer=$!

ask list -- "$pid +shop +3\\.14\\."
ask health -p "$pid" -- 'GC pause P95' 'm5 init -p'
ask why -p "$pid" -d 5s -- "PID $pid"
ask diff -p "$pid" --interval 4s -- 'shop\.Order.*held by'
ask dump -p "$pid" -- 'uvicorn'
ask snapshot -p "$pid" --top 5 -- 'WHERE RSS WENT'
ask gc -p "$pid" -d 3s -- 'Gen0|generation'
ask init -p "$pid" -d 2s --save - -- '^\[objectives\]'

within /opt/bin/m5 serve --listen 127.0.0.1:9464 --interval 500ms 2>/mnt/serving &
until grep -q 'http://' /mnt/serving; do :; done
within /usr/bin/python3.14 - <<'PYTHON'
import json, time, urllib.request
get = lambda path: urllib.request.urlopen("http://127.0.0.1:9464/" + path, timeout=60).read().decode()
assert 'id="processes"' in get(""), "no page"
end = time.monotonic() + 60
while not any(p["service"] == "shop" for p in (json.loads(get("data/processes.json")) or {"processes": []})["processes"]):
    assert time.monotonic() < end, "the page knows no shop"
assert 'process_memory_rss_bytes{' in get("metrics")
PYTHON
kill "$customer" 2>/dev/null || true
# The service has felt nothing of it.
within /usr/bin/python3.14 -c 'import urllib.request as u; print("first hour: orders", u.urlopen("http://127.0.0.1:8000/order").read().decode())' >&2
INSIDE

# Roots without glibc, where only a program that brings its own libc starts: musl's, and one with nothing at all in it.
musl=$roots/wheel-3.14-musl
if [[ -e $musl/.complete ]] && ! readelf -l "$work/bin/m5" 2>/dev/null | grep -q INTERP; then
    cat >"$work/queue.py" <<'PYTHON'
import os, sys, threading
class Entry:
    def __init__(self, number):
        self.number, self.me = number, self
kept = [[]]
def fill():
    while True:
        kept[0].append(Entry(len(kept[0])))
        [Entry(n) for n in range(20)]
        os.stat("/")
        pause.wait(0.0005)
pause = threading.Event()
print("ready", flush=True)
fill()
PYTHON
    export musl
    unshare --mount --pid --fork --kill-child bash -euo pipefail -s <<'INSIDE' || die "a static m5 is of no use without glibc"
mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir -p /mnt/{upper,inner,merged} /mnt/empty/proc
mount -t overlay overlay -o "lowerdir=$musl,upperdir=/mnt/upper,workdir=/mnt/inner" /mnt/merged
here=/mnt/merged
mkdir -p $here/{proc,srv} && mount -t proc proc $here/proc && mount -t proc proc /mnt/empty/proc
cp "$work/queue.py" $here/srv/
cp "$work/bin/m5" $here/m5 && cp "$work/bin/m5" /mnt/empty/m5
chroot=$(command -v chroot)
mkfifo /mnt/ready
"$chroot" $here /usr/local/python /srv/queue.py >/mnt/ready &
pid=$!
read -r word </mnt/ready
for root in $here /mnt/empty; do
    for asked in "list" "health -p $pid" "gc -p $pid -d 2s" "snapshot -p $pid" "diff -p $pid --interval 2s" \
        "why -p $pid -d 5s" "dump -p $pid"; do
        status=0
        # shellcheck disable=SC2086 # words
        env -i HOME=/ "$chroot" "$root" /m5 $asked >/mnt/said 2>/mnt/complained || status=$?
        ((status == 0 || status == 1 || status == 6)) ||
            { printf 'm5 %s: exit %s\n' "$asked" "$status" >&2; cat /mnt/said /mnt/complained >&2; exit 1; }
        printf 'first hour: without glibc (%s): m5 %s: exit %s, %s lines\n' "${root##*/}" "$asked" $status \
            "$(wc -l </mnt/said)" >&2
    done
done
grep -q queue.py /mnt/said
INSIDE
    say "m5 works in a root without glibc, and in one with nothing else in it"
fi
say "fine"
