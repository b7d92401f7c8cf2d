#!/usr/bin/env bash
# Makes ready what a target needs, and says plainly what is missing.
#
#   scripts/prepare.sh rust        cargo is there
#   scripts/prepare.sh build       target/release/m5
#   scripts/prepare.sh engine      .venv with the reference engine's packages
#   scripts/prepare.sh dev         .venv with the tests' and lints' packages too
#   scripts/prepare.sh package     m5mem built and importable in .venv (after dev)
#
# PYTHON names the interpreter for .venv (default: python3).
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
VENV=.venv
LOG=out/prepare.log

say() { printf '%s\n' "$*" >&2; }

missing() {
    say "MISSING: $1"
    say "  what to do: $2"
    exit 2
}

need_rust() {
    command -v cargo >/dev/null || missing "cargo (the Rust toolchain)" \
        "install it from https://rustup.rs, then open a new shell"
    command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || missing \
        "a C compiler, which Rust needs to link" "sudo apt install build-essential"
}

need_python() {
    command -v "$PYTHON" >/dev/null || missing "$PYTHON" \
        "install Python 3.9 or newer (sudo apt install python3 python3-venv), or set PYTHON=…"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || missing \
        "Python 3.9 or newer ($PYTHON is $("$PYTHON" -V 2>&1))" "install one and set PYTHON=…"
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || missing "the venv module of $PYTHON" \
        "sudo apt install python3-venv"
}

build() {
    [ -z "${M5:-}" ] || return 0 # an m5 of the caller
    need_rust
    # A first build takes minutes: it shows how far it is. Afterwards there is nothing to show.
    local quiet=--quiet
    [ -x target/release/m5 ] || { quiet='' && say "building m5 (the first time takes some minutes)"; }
    # shellcheck disable=SC2086
    if ! cargo build --release $quiet --bin m5; then
        say "m5 did not build; the compiler's message is above"
        exit 1
    fi
}

# Installs a requirements file into .venv, unless that was done already.
packages() {
    local file=$1 stamp wanted
    need_python
    mkdir -p out
    wanted=$(cat examples/trading_engine/requirements.txt "$file" | sha256sum | cut -c1-16)
    stamp="$VENV/.installed-$(basename "$file" .txt)-$wanted"
    if [ -x "$VENV/bin/python" ] && [ -e "$stamp" ]; then
        return
    fi
    if [ ! -x "$VENV/bin/python" ]; then
        say "making $VENV with $("$PYTHON" -V)"
        "$PYTHON" -m venv "$VENV"
    fi
    say "installing $file into $VENV (once)"
    # A source build of pandas takes half an hour and a compiler: rather say so.
    if ! "$VENV/bin/python" -m pip install --disable-pip-version-check --quiet \
        --only-binary numpy,pandas -r "$file" >"$LOG" 2>&1; then
        tail -n 5 "$LOG" >&2
        missing "packages for $("$VENV/bin/python" -V) (whole message: $LOG)" \
            "check the network; if this Python has no pandas wheels yet, rm -r $VENV and set PYTHON=… to 3.9 - 3.13"
    fi
    : >"$stamp"
}

# Builds the package's native half into its folder, where .venv finds it.
package() {
    need_rust
    mkdir -p python/m5mem.data/scripts # maturin wants it; a wheel has m5 in it
    if ! VIRTUAL_ENV="$PWD/$VENV" "$VENV/bin/python" -m maturin develop --quiet >"$LOG" 2>&1; then
        tail -n 20 "$LOG" >&2
        say "m5mem did not build; the whole message: $LOG"
        exit 1
    fi
}

for part in "$@"; do
    case $part in
    rust) need_rust ;;
    build) build ;;
    engine) packages examples/trading_engine/requirements.txt ;;
    dev) packages requirements-dev.txt ;;
    package) package ;;
    *) say "usage: scripts/prepare.sh [rust] [build] [engine] [dev] [package]" && exit 2 ;;
    esac
done
