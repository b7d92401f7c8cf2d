#!/usr/bin/env bash
# What people install, into dist/ or onto this machine.
#
#   scripts/pack.sh binary [GLIBC]   dist/m5: the program; for systems since that glibc (2.17) where zig is there:
#                                    pip install ziglang, cargo install cargo-zigbuild
#   scripts/pack.sh static           dist/m5 with its libc in it: for Alpine, and for whatever glibc there is or is not
#   scripts/pack.sh deb              dist/m5_VERSION_ARCH.deb: the program, manual pages, completions, systemd units
#   scripts/pack.sh install          the same without units below $DESTDIR$PREFIX (/usr/local)
set -euo pipefail
cd "$(dirname "$0")/.."

M5_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true)
export M5_COMMIT
BUILT=${CARGO_TARGET_DIR:-target}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

say() { printf '%s\n' "$*" >&2; }

binary() {
    local glibc=${1:-} triple
    mkdir -p dist
    if [ -n "$glibc" ]; then
        triple=$(uname -m)-unknown-linux-gnu
        command -v cargo-zigbuild >/dev/null || {
            say "MISSING: cargo-zigbuild, which links for an older glibc"
            say "  what to do: pip install ziglang cargo-zigbuild"
            exit 2
        }
        cargo zigbuild --release --bin m5 --target "$triple.$glibc"
        install -m 755 "$BUILT/$triple/release/m5" dist/m5
    else
        cargo build --release --bin m5
        install -m 755 "$BUILT/release/m5" dist/m5
    fi
    say "dist/m5: $(dist/m5 --version), $(stat -c %s dist/m5) bytes"
}

static() {
    local triple
    triple=$(uname -m)-unknown-linux-gnu
    mkdir -p dist
    # glibc's own static half: names of hosts (m5 fleet, --otlp) are still looked up by the system's.
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --release --bin m5 --target "$triple"
    install -m 755 "$BUILT/$triple/release/m5" dist/m5
    say "dist/m5: $(dist/m5 --version), static, $(stat -c %s dist/m5) bytes"
}

# Program, manual and completions below a prefix.
lay_out() {
    local root=$1 prefix=$2 page
    install -D -m 755 dist/m5 "$root$prefix/bin/m5"
    dist/m5 manual "$root$prefix/share"
    for page in "$root$prefix"/share/man/man1/m5*.1; do
        gzip -9nf "$page"
    done
}

deb() {
    local arch stage unit
    command -v dpkg-deb >/dev/null || { say "MISSING: dpkg-deb (what to do: build on Debian or Ubuntu)"; exit 2; }
    arch=$(dpkg --print-architecture)
    [ -x dist/m5 ] || binary
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    chmod 755 "$stage"
    lay_out "$stage" /usr
    for unit in deploy/systemd/*.service; do
        install -D -m 644 "$unit" "$stage/lib/systemd/system/$(basename "$unit")"
    done
    install -D -m 644 LICENSE "$stage/usr/share/doc/m5/copyright"
    mkdir -p "$stage/DEBIAN"
    cat >"$stage/DEBIAN/control" <<CONTROL
Package: m5
Version: $VERSION
Architecture: $arch
Maintainer: the m5 maintainers <m5@localhost>
Section: utils
Priority: optional
Depends: libc6
Installed-Size: $(du -sk "$stage" | cut -f1)
Description: keeps long-running Python services flat
 Attaches from outside to an unmodified, running CPython process and says
 whether it grows, what grows and who holds it, which pauses of the garbage
 collector hurt, what to change, and whether the change worked.
CONTROL
    dpkg-deb --root-owner-group --build "$stage" "dist/m5_${VERSION}_$arch.deb" >/dev/null
    say "dist/m5_${VERSION}_$arch.deb: apt install ./dist/m5_${VERSION}_$arch.deb"
}

case ${1:-} in
binary) binary "${2:-}" ;;
static) static ;;
deb) deb ;;
install) [ -x dist/m5 ] || binary && lay_out "${DESTDIR:-}" "${PREFIX:-/usr/local}" ;;
*) say "usage: scripts/pack.sh binary [GLIBC] | static | deb | install" && exit 2 ;;
esac
