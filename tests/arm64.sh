#!/usr/bin/env bash
# Live tests on 64-bit Arm: builds m5 for it, boots a real kernel in an emulated machine, and runs tests/arm64/live.py
# there on Debian's Pythons. ptrace, watchpoints and signals are the kernel's own; how long things take means nothing.
#
#   tests/arm64.sh              run; says so and ends well where the machine has not what it takes
#   tests/arm64.sh --require    the same, but fail then
#
# M5_ARM64       where fetched things are kept (default: ~/.cache/m5/arm64)
# ARM64_CPUS     processors to emulate, one boot each (default: max; cortex-a72 has no single instructions for swaps)
# ARM64_KERNELS  kernels to boot (default: arm64; arm64-16k has pages of 16 KiB)
# ARM64_PYTHONS  interpreters to run on (default: 3.11 3.13); 3.14 too is there
# ARM64_M5       an m5 that was built for arm64 before
# M5_KILLS       how often m5 is killed in the middle of a snapshot (default: 6)
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian.sh

dir=${M5_ARM64:-$HOME/.cache/m5/arm64}
require=0
[[ ${1:-} == --require ]] && require=1

say() { printf 'arm64: %s\n' "$*" >&2; }
give_up() {
    say "left out: $1"
    exit "$require"
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

# python_into ROOT VERSION…: interpreters with all they need.
python_into() {
    local root=$1 package archives=$work/cache/archives
    shift
    rm -f "$archives"/*.deb
    mkdir -p "$root"/{proc,sys,dev,tmp,t,usr/{bin,sbin,lib}}
    for merged in bin sbin lib; do ln -sf "usr/$merged" "$root/$merged"; done
    private apt-get -qq -y --no-install-recommends --download-only install "${@/#/python}" >"$work/log" 2>&1 || return 1
    for package in "$archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root" || return 1
    done
    rm -rf "$root"/usr/share/{doc,man,locale} "$root"/usr/lib/python3/dist-packages
}

# The guest's files in $dir/guest.cpio, its kernels in $dir/kernels.
guest() {
    local kernel wanted=() flavour binary root=$dir/.guest.partial archives
    for flavour in ${ARM64_KERNELS:-arm64}; do [[ -e $dir/kernels/$flavour ]] || wanted+=("$flavour"); done
    [[ -e $dir/guest.cpio ]] && ((${#wanted[@]} == 0)) && return
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    archives=$work/cache/archives
    # shellcheck disable=SC2034 # of scripts/debian.sh
    architecture=arm64
    if [[ ! -e $dir/guest.cpio ]]; then
        rm -rf "$root"
        mkdir -p "$root"
        say "fetching the guest's Pythons"
        sources bookworm
        python_into "$root" 3.11 || give_up "Python 3.11: $(tail -1 "$work/log")"
        (cd "$archives" && private apt-get -qq download busybox-static) || give_up "busybox cannot be had"
        dpkg-deb --fsys-tarfile "$archives"/busybox-static_*.deb | tar -x --keep-directory-symlink -C "$root"
        sources sid
        python_into "$root/sid" 3.13 3.14 || give_up "Python 3.13 and 3.14: $(tail -1 "$work/log")"
        cp tests/arm64/init "$root/init"
        chmod +x "$root/init"
        ln -sf python3.11 "$root/usr/bin/python3"
        (cd "$root" && find . -print0 | cpio -0 -o -H newc --owner 0:0 --quiet) >"$dir/.guest.cpio"
        mv "$dir/.guest.cpio" "$dir/guest.cpio"
        rm -rf "$root"
    else
        sources sid
    fi
    mkdir -p "$dir/kernels"
    for flavour in "${wanted[@]}"; do
        kernel=$(private apt-cache pkgnames linux-binary- | grep -E "^linux-binary-[0-9][^-]*-$flavour\$" | sort -V | tail -1)
        [[ -n $kernel ]] || kernel=$(private apt-cache pkgnames linux-image- | grep -E -- "^linux-image-[0-9][^-]*-$flavour\$" | sort -V | tail -1)
        [[ -n $kernel ]] || give_up "no kernel $flavour"
        say "fetching $kernel"
        (cd "$archives" && private apt-get -qq download "$kernel") >"$work/log" 2>&1 || give_up "$(tail -1 "$work/log")"
        dpkg-deb -x "$archives/$kernel"_*.deb "$work/kernel-$flavour"
        binary=$(find "$work/kernel-$flavour" -name 'vmlinuz*' -type f | head -1)
        cp "$binary" "$dir/kernels/$flavour"
    done
}

# boot KERNEL CPU: fails where a test did.
boot() {
    local over log=$dir/console-$1-$2.log
    over=$(mktemp -d)
    mkdir -p "$over/t"
    cp tests/arm64/{live,target}.py "$m5" "$over/t/"
    local pythons=() version
    for version in ${ARM64_PYTHONS:-3.11 3.13}; do
        case $version in
        3.11) pythons+=(/usr/bin/python3.11) ;;
        *) pythons+=("/sid:/usr/bin/python$version") ;;
        esac
    done
    printf 'M5_KILLS=%s python3 live.py %s\n' "${M5_KILLS:-6}" "${pythons[*]}" >"$over/t/run"
    (cd "$over" && find . -print0 | cpio -0 -o -H newc --owner 0:0 --quiet) | cat "$dir/guest.cpio" - >"$dir/.initrd"
    rm -rf "$over"
    say "booting $1 on $2; the console: $log"
    timeout 1500 qemu-system-aarch64 -M virt -cpu "$2" -smp 2 -m 2G -accel tcg,thread=multi -nographic -no-reboot \
        -nic none -kernel "$dir/kernels/$1" -initrd "$dir/.initrd" \
        -append "console=ttyAMA0 quiet panic=-1" </dev/null >"$log" 2>&1 || true
    rm -f "$dir/.initrd"
    grep -aE '^\[ *[0-9]+\.[0-9]\] ' "$log" || tail -20 "$log"
    grep -aq '^== rc=0' "$log"
}

tools
status=0
m5=${ARM64_M5:-}
[[ -n $m5 ]] || m5=$(scripts/arm64.sh build) || status=$?
((status == 3)) && give_up "m5 cannot be built for arm64 on this machine"
((status == 0)) || exit "$status"
mkdir -p "$dir"
exec 8>"$dir/.guest.lock"
flock 8
guest
for kernel in ${ARM64_KERNELS:-arm64}; do
    for cpu in ${ARM64_CPUS:-max,pauth-impdef=on}; do
        boot "$kernel" "$cpu" || status=1
    done
done
exit "$status"
