#!/usr/bin/env bash
# Makes dist/: for each architecture the wheel of m5mem, with m5 in it, and the program m5 by itself. They run on systems
# with glibc 2.28 or newer (Debian 10, RHEL 8, Ubuntu 18.10 and later).
#
#   scripts/dist.sh [x86_64] [aarch64]    both, where nothing is said
#
# zig, cargo-zigbuild and maturin come from PyPI, into out/dist-tools. M5_WHEEL_PROFILE as in scripts/wheel_backend.py.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'dist: %s\n' "$*" >&2; }

command -v cargo >/dev/null || { say "cargo (the Rust toolchain) is missing: install it from https://rustup.rs"; exit 2; }
tools=$PWD/out/dist-tools
if [[ ! -x $tools/bin/cargo-zigbuild ]]; then
    say "installing zig, cargo-zigbuild and maturin into out/dist-tools (once)"
    mkdir -p out
    "${PYTHON:-python3}" -m venv "$tools"
    "$tools/bin/python" -m pip install --disable-pip-version-check --quiet ziglang cargo-zigbuild 'maturin>=1.7,<2'
fi
export PATH=$tools/bin:$PATH M5_MANYLINUX=2_28
version=$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | sed -n 1p)
profile=${M5_WHEEL_PROFILE:-release}
folder=$profile
[[ $profile == dev ]] && folder=debug
mkdir -p dist
(($#)) || set -- x86_64 aarch64
for architecture; do
    export M5_TARGET=$architecture-unknown-linux-gnu CARGO_TARGET_DIR=$PWD/target/dist
    with=()
    # Of the cross compilers only Rust's is taken: zig compiles the C in it too, and links, for the same old glibc.
    [[ $architecture == "$(uname -m)" ]] || with=(scripts/arm64.sh exec)
    say "building for $architecture"
    "${with[@]}" python scripts/wheel_backend.py dist
    cp "$CARGO_TARGET_DIR/$M5_TARGET/$folder/m5" "dist/m5-$version-linux-$architecture"
done
ls -l dist
