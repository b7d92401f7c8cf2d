#!/usr/bin/env bash
# Fetches interpreters for the live tests: CPython 3.13, 3.14 and 3.15 as Debian builds them, and static builds for
# glibc and musl, with the GIL and without, out of the wheels of freeze-core (tests/interpreters/wheels.sh).
#
# They are unpacked beside the system, never installed: one root folder each, started by chroot (which needs root).
# m5_testkit finds them. Nothing of the system's own package lists is touched.
#
#   tests/interpreters.sh              fetch what is missing; quick when nothing is
#   tests/interpreters.sh --require    the same, but fail where something could not be had
#
# M5_INTERPRETERS   where to put them (default: ~/.cache/m5/interpreters)
set -euo pipefail

dir=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters}
# version:suite; the first suite that has the version wins. trixie's 3.13 is older than sid's and has the older
# layout, so it gets a root of its own.
wanted=(debian-3.13:3.13:sid debian-3.13-trixie:3.13:trixie debian-3.14:3.14:sid debian-3.15:3.15:sid)
require=0
missing=()
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../scripts/debian.sh"
source "$here/interpreters/wheels.sh"

say() { printf 'interpreters: %s\n' "$*" >&2; }

finish() {
    if ((${#missing[@]})); then
        say "not available: ${missing[*]}"
        ((require)) && exit 1
        say "the tests run on the interpreters that are there"
    fi
    exit 0
}

give_up() {
    say "$1"
    for entry in "${wanted[@]}" "${wheels[@]}"; do
        ready "$(root_of "$entry")" || missing+=("$(root_of "$entry")")
    done
    finish
}

# The root of an entry of either list.
root_of() {
    local rest=${1#*:}
    case $1 in
    debian-*) echo "${1%%:*}" ;;
    *) echo "wheel-${1%%:*}-${rest%%:*}" ;;
    esac
}

# A root is ready when its last step left the mark.
ready() { [[ -e $dir/$1/.complete ]]; }

# fetch ROOT VERSION SUITE: the interpreter with all it needs, and the headers that the layouts come from.
fetch() {
    local root=$1 version=$2 suite=$3 into="$dir/.$1.partial" archives="$work/cache/archives"
    say "fetching Python $version of $suite"
    rm -rf "$into" "$archives"
    mkdir -p "$archives/partial" "$into"/{proc,dev,tmp,usr/{bin,sbin,lib,lib64}}
    chmod 1777 "$into/tmp"
    for merged in bin sbin lib lib64; do ln -s "usr/$merged" "$into/$merged"; done
    private apt-get -qq -y --no-install-recommends --download-only -t "$suite" install \
        "python$version" >"$work/log" 2>&1 || return 1
    (cd "$archives" && private apt-get -qq -t "$suite" download "libpython$version-dev" "libpython$version") \
        >>"$work/log" 2>&1 || return 1
    for package in "$archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$into" || return 1
    done
    mknod -m 666 "$into/dev/null" c 1 3 2>/dev/null || true
    chroot "$into" "/usr/bin/python$version" -c 'import sys; print(sys.version.split()[0])' \
        >"$into/.complete" 2>"$work/log" || return 1
    rm -rf "${dir:?}/$root"
    mv "$into" "$dir/$root"
    say "$root: Python $(<"$dir/$root/.complete")"
}

[[ ${1:-} == --require ]] && require=1
todo=()
for entry in "${wanted[@]}" "${wheels[@]}"; do
    ready "$(root_of "$entry")" || todo+=("$entry")
done
# How they are started may have changed since they were fetched.
for start in "$dir"/wheel-*/lib/__init__python.py "$dir"/wheel-*/usr/local/lib/__init__python.py; do
    [[ ! -e $start ]] || cmp -s "$here/interpreters/run.py" "$start" ||
        for name in __init__python.py __startup__.py; do
            cp "$here/interpreters/run.py" "${start%/*}/.$name.new" && mv "${start%/*}/.$name.new" "${start%/*}/$name"
        done
done
((${#todo[@]})) || finish

for tool in apt-get dpkg-deb chroot; do
    command -v "$tool" >/dev/null || give_up "$tool is not on this machine"
done
[[ $(id -u) == 0 ]] || give_up "starting them needs chroot, which needs root"
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for entry in "${todo[@]}"; do
    root=$(root_of "$entry")
    ready "$root" && continue
    case $entry in
    debian-*)
        IFS=: read -r root version suite <<<"$entry"
        [[ -e $work/sources.list ]] || sources trixie sid
        fetch "$root" "$version" "$suite" && continue
        ;;
    *)
        IFS=: read -r version libc release <<<"$entry"
        from_wheel "$root" "$version" "$libc" "$release" && continue
        ;;
    esac
    say "$root: $(tail -1 "$work/log")"
    rm -rf "$dir/.$root.partial"
    missing+=("$root")
done
finish
