#!/usr/bin/env bash
# Live tests on 64-bit Arm: builds m5 for it, boots a real kernel in an emulated machine, and runs what lies in
# tests/arm64/guest there. ptrace, watchpoints, signals, control groups are the kernel's own; how long things take means
# nothing.
#
#   tests/arm64.sh [SUITE...]            run: short (default), all, calls, groups, wheel, hang
#   tests/arm64.sh --require [SUITE...]  the same, but fail where the machine has not what it takes
#
# Without --require it then says so and ends with 3, or well where an interpreter alone is missing.
#
# M5_ARM64       where fetched things are kept (default: ~/.cache/m5/arm64)
# ARM64_CPUS     processors to emulate, one boot each (default: max; cortex-a72 has no single instructions for swaps)
# ARM64_KERNELS  kernels to boot (default: arm64; arm64-16k has pages of 16 KiB)
# ARM64_PYTHONS  interpreters to run on (default: 3.11 3.13; 3.8 to 3.15, 3.14t, 3.12-musl, 3.14-musl)
# ARM64_M5       an m5 that was built for arm64 before
# ARM64_WHEEL    a wheel of m5mem for aarch64, for the suite wheel
# ARM64_LIMIT    seconds after which a guest is ended (default: 1500)
# M5_KILLS       how often m5 is killed in the middle of a snapshot
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
    debian_into "$root" bookworm python3.11 || give_up "Python 3.11: $(tail -1 "$work/log")"
    (cd "$work" && private apt-get -qq download busybox-static) >"$work/log" 2>&1 || give_up "busybox cannot be had"
    dpkg-deb --fsys-tarfile "$work"/busybox-static_*.deb | tar -x --keep-directory-symlink -C "$root"
    install -m 755 tests/arm64/init "$root/init"
    ln -sf python3.11 "$root/usr/bin/python3"
    pack "$root" "$dir/base.cpio"
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

# What the tests need, in $work/over.cpio.
tests() {
    local over=$work/over
    mkdir -p "$over/t"
    cp tests/arm64/guest/*.py "$over/t/"
    cp "$m5" "$over/t/m5"
    if [[ -n ${ARM64_WHEEL:-} ]]; then
        mkdir "$over/t/wheel"
        cp "$ARM64_WHEEL" "$over/t/wheel/"
    fi
    if command -v aarch64-linux-gnu-gcc >/dev/null; then
        aarch64-linux-gnu-gcc -O1 -shared -nostdlib -fPIC -mbranch-protection=bti -Wl,-z,force-bti -o "$over/t/state.so" \
            tests/arm64/guest/state.c
    else
        say "left out: vectors and landing pads (aarch64-linux-gnu-gcc is not installed)"
    fi
    printf 'M5_KILLS=%s python3 live.py "%s" %s\n' "${M5_KILLS:-}" "$suites" "${pythons[*]}" >"$over/t/run"
    pack "$over" "$work/over.cpio"
}

# boot KERNEL CPU: fails where a test did.
boot() {
    local log=$dir/console-$1-${2%%,*}.log
    cat "$dir/base.cpio" "${archives[@]}" "$work/over.cpio" >"$work/initrd"
    say "booting $1 on $2; the console: $log"
    timeout "${ARM64_LIMIT:-1500}" qemu-system-aarch64 -M virt -cpu "$2" -smp 2 -m 2G -accel tcg,thread=multi -nographic \
        -no-reboot -nic none -kernel "$dir/kernels/$1" -initrd "$work/initrd" \
        -append "console=ttyAMA0 quiet panic=-1" </dev/null >"$log" 2>&1 || true
    rm -f "$work/initrd"
    grep -aE '^\[ *[0-9]+\.[0-9]\] ' "$log" || tail -20 "$log"
    grep -aq '^== rc=0' "$log"
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
tests
for flavour in ${ARM64_KERNELS:-arm64}; do
    kernel "$flavour"
    for cpu in ${ARM64_CPUS:-max,pauth-impdef=on}; do
        boot "$flavour" "$cpu" || status=1
    done
done
exit "$status"
