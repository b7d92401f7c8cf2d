#!/usr/bin/env bash
# Builds for 64-bit Arm on another machine.
#
#   scripts/arm64.sh check          cargo check of the whole workspace
#   scripts/arm64.sh build          the m5 binary, quickly compiled; prints where it is
#   scripts/arm64.sh exec CMD…      any other command with the same toolchain in its environment
#
# Rust's standard library for the target is that of the installed toolchain, or else of Debian's newest compiler,
# fetched once and unpacked beside the system. C code needs aarch64-linux-gnu-gcc. Where either cannot be had, it
# says so and ends with 3.
#
# M5_ARM64   where fetched things are kept (default: ~/.cache/m5/arm64)
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian.sh

target=aarch64-unknown-linux-gnu
dir=${M5_ARM64:-$HOME/.cache/m5/arm64}

say() { printf 'arm64: %s\n' "$*" >&2; }
give_up() {
    say "not available: $1"
    exit 3
}

linker() {
    command -v aarch64-linux-gnu-gcc >/dev/null && return
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || give_up "aarch64-linux-gnu-gcc is not installed"
    say "installing the cross compiler for C"
    apt-get install -y -qq --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross >/dev/null 2>&1 ||
        give_up "aarch64-linux-gnu-gcc cannot be installed"
}

# Debian's compiler with both standard libraries, in $dir/rust, and a program rustc that starts it with its own C library.
fetch_rust() {
    [[ $(uname -m) == x86_64 ]] || give_up "Rust's standard library for $target: rustup target add $target"
    for tool in apt-get apt-cache dpkg-deb flock; do
        command -v "$tool" >/dev/null || give_up "Rust's standard library for $target: rustup target add $target"
    done
    mkdir -p "$dir"
    # Held until it is there, and not by what is started with it.
    [[ -x $dir/rust/rustc ]] && return
    exec 9>"$dir/.lock"
    flock 9
    [[ ! -x $dir/rust/rustc ]] || { exec 9>&-; return; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    local root=$dir/.rust.partial/root libraries package architecture=
    sources sid
    libraries=$(private apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances libstd-rust-dev | grep -E '^[a-z]' | grep -vE '^(gcc-[0-9]+-base|libc-gconv.*)$')
    say "fetching Rust's compiler and its standard libraries (150 MB)"
    # shellcheck disable=SC2086 # names of packages
    (cd "$work/cache/archives" && private apt-get -qq download rustc $libraries) >"$work/log" 2>&1 ||
        give_up "Debian's compiler: $(tail -1 "$work/log")"
    rm -rf "$dir/.rust.partial"
    mkdir -p "$root"
    for package in "$work"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    architecture=arm64
    sources sid
    (cd "$work/cache/archives" && private apt-get -qq download libstd-rust-dev) >"$work/log" 2>&1 ||
        give_up "Debian's standard library: $(tail -1 "$work/log")"
    dpkg-deb -x "$work"/cache/archives/libstd-rust-dev_*.deb "$root"
    local own=$dir/rust/root/usr library
    library=$own/lib/x86_64-linux-gnu
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" --sysroot "%s" "$@"\n' \
        "$library/ld-linux-x86-64.so.2" "$library" "$own/bin/rustc" "$own" >"$dir/.rust.partial/rustc"
    chmod +x "$dir/.rust.partial/rustc"
    rm -rf "$dir/rust"
    mv "$dir/.rust.partial" "$dir/rust"
    exec 9>&-
}

toolchain() {
    command -v cargo >/dev/null || give_up "cargo is not installed"
    linker
    if ! ls "$(rustc --print target-libdir --target $target 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1; then
        fetch_rust
        export RUSTC=$dir/rust/rustc
        "$RUSTC" --version >/dev/null || give_up "the fetched compiler does not run"
    fi
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/arm64}
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
    # A compiler of another version than the one that the lints are kept clean for may warn of more.
    export CARGO_TERM_QUIET=true
}

case ${1:-} in
check)
    toolchain
    cargo check --locked --workspace --target $target
    ;;
build)
    toolchain
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_STRIP=symbols
    cargo build --release --locked --target $target --bin m5
    printf '%s\n' "$CARGO_TARGET_DIR/$target/release/m5"
    ;;
exec)
    toolchain
    shift
    exec "$@"
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
