#!/usr/bin/env bash
# Live tests on 64-bit Arm: builds m5 for it, boots a real kernel in an emulated machine, and runs what lies in
# tests/arm64/guest there. ptrace, watchpoints, signals, control groups are the kernel's own; how long things take means
# nothing.
#
#   tests/arm64.sh [SUITE...]            run: short (default), all, trim, calls, groups, wheel, hang, jemalloc, or one look:
#                                        listed, watched, tuned, captured, told, in_the_kernel
#   tests/arm64.sh --require [SUITE...]  the same, but fail where the machine has not what it takes
#
# Without --require it then says so and ends with 3, or well where an interpreter alone is missing.
#
# M5_ARM64       where fetched things are kept (default: ~/.cache/m5/arm64)
# ARM64_CPUS     processors to emulate, one boot each (default: max; cortex-a72 has no single instructions for swaps)
# ARM64_KERNELS  kernels to boot (default: arm64; arm64-16k has pages of 16 KiB)
# ARM64_PYTHONS  interpreters to run on (default: 3.11 3.13; 3.9 to 3.15, 3.14t, 3.12-musl, 3.14-musl)
# ARM64_M5       an m5 that was built for arm64 before
# ARM64_WHEEL    a wheel of m5mem for aarch64, for the suite wheel
# ARM64_LIMIT    seconds after which a guest is ended (default: 1500)
# M5_KILLS       how often m5 is killed in the middle of a snapshot
# M5_MINUTES     how long the suite hang looks (default: 10)
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian.sh
source tests/arm64/pythons.sh

dir=${M5_ARM64:-$HOME/.cache/m5/arm64}
absent=3
[[ ${1:-} == --require ]] && { absent=1; shift; }
(($#)) || set -- short

say() { printf 'arm64: %s\n' "$*" >&2; }
give_up() {
    say "left out: $1"
    exit "$absent"
}

tools() {
    local missing=() tool
    for tool in apt-get apt-cache dpkg-deb flock; do
        command -v "$tool" >/dev/null || give_up "$tool is not on this machine"
    done
    command -v qemu-system-aarch64 >/dev/null || missing+=(qemu-system-arm)
    command -v cpio >/dev/null || missing+=(cpio)
    ((${#missing[@]})) || return 0
    [[ $(id -u) == 0 ]] || give_up "not installed: ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        give_up "cannot be installed: ${missing[*]}"
}

# The guest's own files: busybox, and the Python that runs the tests.
base() {
    local root=$work/base
    [[ -e $dir/base.cpio && $dir/base.cpio -nt tests/arm64/init ]] && return
    say "fetching the guest's system"
    debian_into "$root" bookworm python3.11 libstdc++6 || give_up "Python 3.11: $(tail -1 "$work/log")"
    (cd "$work" && private apt-get -qq download busybox-static) >"$work/log" 2>&1 || give_up "busybox cannot be had"
    dpkg-deb --fsys-tarfile "$work"/busybox-static_*.deb | tar -x --keep-directory-symlink -C "$root"
    install -m 755 tests/arm64/init "$root/init"
    ln -sf python3.11 "$root/usr/bin/python3"
    pack "$root" "$dir/base.cpio"
}

# The malloc that is put before the C library's in the suite jemalloc: Debian's is built for pages of 64 KiB.
jemalloc() {
    [[ ! -e $dir/jemalloc.cpio ]] || return 0
    say "fetching jemalloc"
    sources bookworm
    (cd "$work" && private apt-get -qq download libjemalloc2) >"$work/log" 2>&1 || give_up "jemalloc: $(tail -1 "$work/log")"
    dpkg-deb -x "$work"/libjemalloc2_*.deb "$work/jemalloc"
    rm -rf "$work/jemalloc/usr/share"
    pack "$work/jemalloc" "$dir/jemalloc.cpio"
}

# kernel FLAVOUR: the newest of Debian's.
kernel() {
    local flavour=$1 package names
    [[ ! -e $dir/kernels/$flavour ]] || return 0
    sources sid
    names=$(private apt-cache pkgnames linux-)
    package=$(grep -E "^linux-binary-[0-9][^-]*-$flavour\$" <<<"$names" | sort -V | tail -1)
    [[ -n $package ]] || package=$(grep -E -- "^linux-image-[0-9][^-]*-$flavour\$" <<<"$names" | sort -V | tail -1)
    [[ -n $package ]] || give_up "no kernel $flavour"
    say "fetching $package"
    (cd "$work" && private apt-get -qq download "$package") >"$work/log" 2>&1 || give_up "$(tail -1 "$work/log")"
    dpkg-deb -x "$work/$package"_*.deb "$work/kernel-$flavour"
    cp "$(find "$work/kernel-$flavour" -name 'vmlinuz*' -type f | head -1)" "$dir/kernels/.$flavour"
    mv "$dir/kernels/.$flavour" "$dir/kernels/$flavour"
}

# wheel FOLDER: the wheel under test, and what its own tests stand on.
wheel() {
    local folder=$1 python name
    mkdir -p "$folder/tests" "$dir/wheels"
    cp "$ARM64_WHEEL" "$folder/"
    python=$(with_pip) || { say "left out: the package's own tests: no Python with pip"; return; }
    for name in pytest pluggy iniconfig packaging pygments sortedcontainers numpy hypothesis; do
        compgen -G "$dir/wheels/$name-*" >/dev/null && continue
        "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --implementation cp \
            --python-version 3.11 --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 \
            --dest "$dir/wheels" "$name" >"$work/log" 2>&1 ||
            { say "left out: the package's own tests: $(tail -1 "$work/log")"; return; }
    done
    for name in "$dir"/wheels/*.whl; do "$python" -m zipfile -e "$name" "$folder/site"; done
    cp tests/python/{conftest,test_{indicators,indicators_range,cached,herd,pool,book}}.py "$folder/tests/"
}

# What the tests need, in $work/over.cpio.
tests() {
    local over=$work/over
    mkdir -p "$over/t"
    cp tests/arm64/guest/*.py "$over/t/"
    cp "$m5" "$over/t/m5"
    [[ -z ${ARM64_WHEEL:-} ]] || wheel "$over/t/wheel"
    if command -v aarch64-linux-gnu-gcc >/dev/null; then
        aarch64-linux-gnu-gcc -O1 -shared -nostdlib -fPIC -mbranch-protection=bti -Wl,-z,force-bti -o "$over/t/state.so" \
            tests/arm64/guest/state.c
    else
        say "left out: vectors and landing pads (aarch64-linux-gnu-gcc is not installed)"
    fi
    printf 'M5_KILLS=%s M5_MINUTES=%s python3 live.py "%s" %s\n' "${M5_KILLS:-}" "${M5_MINUTES:-}" "$suites" "${pythons[*]}" >"$over/t/run"
    pack "$over" "$work/over.cpio"
}

# boot KERNEL CPU: fails where a test did; 3 where none did within the time and some were left.
boot() {
    local log=$dir/console-$1-${2%%,*}.log
    cat "$dir/base.cpio" "${archives[@]}" "$work/over.cpio" >"$work/initrd"
    say "booting $1 on $2; the console: $log"
    timeout "${ARM64_LIMIT:-1500}" qemu-system-aarch64 -M virt -cpu "$2" -smp 2 -m 2G -accel tcg,thread=multi -nographic \
        -no-reboot -nic none -kernel "$dir/kernels/$1" -initrd "$work/initrd" \
        -append "console=ttyAMA0 quiet panic=-1" </dev/null >"$log" 2>&1 || true
    rm -f "$work/initrd"
    grep -aE '^\[ *[0-9]+\.[0-9]\] ' "$log" || tail -20 "$log"
    grep -aq '^== rc=0' "$log" && return
    if ! grep -aqE '^== rc=|^\[ *[0-9.]+\] FAIL|^Traceback|Kernel panic' "$log" && grep -aq '^\[ *[0-9.]*\] ok ' "$log"; then
        say "the guest was ended after ${ARM64_LIMIT:-1500} s, with tests left and none failed"
        return "$absent"
    fi
    return 1
}

suites=$*
tools
status=0
m5=${ARM64_M5:-}
[[ -n $m5 ]] || m5=$(scripts/arm64.sh build) || status=$?
((status == 3)) && give_up "m5 cannot be built for arm64 on this machine"
((status == 0)) || exit "$status"
mkdir -p "$dir"/{kernels,pythons}
exec 8>"$dir/.guest.lock"
flock 8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2034 # of scripts/debian.sh
architecture=arm64
base
pythons=() archives=()
for name in ${ARM64_PYTHONS:-3.11 3.13}; do
    archive=$(archive_of "$name")
    if [[ -n $archive ]] && ! python "$archive"; then
        say "left out: Python $name: $(tail -1 "$work/log")"
        ((absent == 3)) && continue
        exit 1
    fi
    pythons+=("$(started_by "$name")")
    [[ -z $archive || " ${archives[*]} " == *" $dir/pythons/$archive.cpio "* ]] || archives+=("$dir/pythons/$archive.cpio")
done
if [[ " $suites " == *" jemalloc "* ]]; then
    jemalloc
    archives+=("$dir/jemalloc.cpio")
fi
tests
for flavour in ${ARM64_KERNELS:-arm64}; do
    kernel "$flavour"
    for cpu in ${ARM64_CPUS:-max,pauth-impdef=on}; do
        boot "$flavour" "$cpu" || status=$((status == 1 ? 1 : $?))
    done
done
exit "$status"
