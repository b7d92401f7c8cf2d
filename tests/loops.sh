#!/usr/bin/env bash
# Fetches uvloop and gevent for the oldest and the newest interpreter that has wheels of both, for the tests of their loops
# (crates/cli/tests/loops.rs): the oldest of pyenv's, and Debian's 3.14 that tests/interpreters.sh unpacked. Quick when they are there.
#
# M5_INTERPRETERS   where the interpreters are (default: ~/.cache/m5/interpreters); loops lie beside
set -euo pipefail

dir=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters}
loops=(uvloop gevent)
say() { printf 'loops: %s\n' "$*" >&2; }

# fetch VERSION INTO: wheels alone, so that nothing is built.
fetch() {
    local version=$1 into=$2
    [[ -e $into/.complete ]] && return
    rm -rf "$into" "$into.partial"
    mkdir -p "${into%/*}"
    if python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$into.partial" --python-version "$version" \
        --only-binary :all: --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" "${loops[@]}"; then
        touch "$into.partial/.complete"
        mv "$into.partial" "$into"
        say "Python $version: ${loops[*]}"
    else
        rm -rf "$into.partial"
        say "Python $version: not available, its loops are left out of the tests"
    fi
}

fetch 3.8 "${dir%/*}/loops/3.8"
[[ ! -e $dir/debian-3.14/.complete ]] || fetch 3.14 "$dir/debian-3.14/opt/loops"
