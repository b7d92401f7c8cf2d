#!/usr/bin/env bash
# What people install, into dist/ or onto this machine.
#
#   scripts/pack.sh binary [GLIBC]   dist/m5: the program; for systems since that glibc (2.17) where zig is there:
#                                    pip install ziglang cargo-zigbuild
#   scripts/pack.sh static           dist/m5 with its libc in it: for Alpine, and for whatever glibc there is or is not
#   scripts/pack.sh deb              dist/m5_VERSION_ARCH.deb: the program, manual pages, completions, systemd units
#   scripts/pack.sh install          the same without units below $DESTDIR$PREFIX (/usr/local)
#
# The last two take dist/m5 where it is of this version and commit, whichever way it was built, and build it otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

M5_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true)
export M5_COMMIT
BUILT=${CARGO_TARGET_DIR:-target}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

say() { printf '%s\n' "$*" >&2; }
missing() {
    say "MISSING: $1"
    say "  what to do: $2"
    exit 2
}

# The newest glibc that a program asks for; nothing for a static one.
newest_glibc() { objdump -T "$1" 2>/dev/null | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -1; }

binary() {
    local glibc=${1:-} triple found
    mkdir -p dist
    if [ -n "$glibc" ]; then
        triple=$(uname -m)-unknown-linux-gnu
        command -v cargo-zigbuild >/dev/null ||
            missing "cargo-zigbuild, which links for an older glibc" "pip install ziglang cargo-zigbuild"
        cargo zigbuild --release --bin m5 --target "$triple.$glibc"
        found=$(newest_glibc "$BUILT/$triple/release/m5") || true
        [ "$(printf '%s\n' "$found" "$glibc" | sort -V | tail -1)" = "$glibc" ] || {
            say "the program needs glibc $found, not $glibc: a linker other than zig is set for $triple"
            exit 1
        }
        install -m 755 "$BUILT/$triple/release/m5" dist/m5
    else
        cargo build --release --bin m5
        install -m 755 "$BUILT/release/m5" dist/m5
    fi
    say "dist/m5: $(dist/m5 --version), $(stat -c %s dist/m5) bytes"
}

static() {
    local triple
    triple=$(rustc -vV | sed -n 's/^host: //p')
    mkdir -p dist
    # glibc's own static half; where that is not installed, the linker says what it lacks.
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --release --bin m5 --target "$triple" ||
        missing "what is named above; for a static program the C library's archive (libc.a)" \
            "install libc6-dev (Debian, Ubuntu) or glibc-static (Fedora, RHEL)"
    install -m 755 "$BUILT/$triple/release/m5" dist/m5
    say "dist/m5: $(dist/m5 --version), static, $(stat -c %s dist/m5) bytes"
}

# dist/m5 of this version and commit.
program() {
    local wanted="m5 $VERSION${M5_COMMIT:+ ($M5_COMMIT)}" have
    have=$(dist/m5 --version 2>/dev/null) || have=
    [ "$have" = "$wanted" ] && return
    [ -z "$have" ] || say "dist/m5 is $have: building $wanted"
    binary
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

# The libraries that dist/m5 is linked against, as Debian's packages; nothing for a static one.
depends() {
    local glibc
    glibc=$(newest_glibc dist/m5) || true
    [ -n "$glibc" ] || return 0
    printf 'Depends: libc6 (>= %s)' "$glibc"
    objdump -p dist/m5 | grep -q 'NEEDED *libgcc_s' && printf ', libgcc-s1'
    printf '\n'
}

deb() {
    local arch stage unit by
    for tool in dpkg-deb objdump; do
        command -v $tool >/dev/null || missing "$tool" "build on Debian or Ubuntu: apt install dpkg binutils"
    done
    arch=$(dpkg --print-architecture)
    by="${DEBFULLNAME:-the m5 maintainers} <${DEBEMAIL:-m5@localhost}>"
    program
    stage=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$stage'" EXIT
    chmod 755 "$stage"
    lay_out "$stage" /usr
    # Debian's zsh looks there.
    mv "$stage/usr/share/zsh/site-functions" "$stage/usr/share/zsh/vendor-completions"
    for unit in deploy/systemd/*.service; do
        install -D -m 644 "$unit" "$stage/lib/systemd/system/$(basename "$unit")"
    done
    # The units are written for `make install`.
    sed -i -e 's#/usr/local/bin/m5#/usr/bin/m5#' -e 's#/etc/systemd/system/#/lib/systemd/system/#' \
        "$stage"/lib/systemd/system/*.service
    mkdir -p "$stage/usr/share/doc/m5" "$stage/DEBIAN"
    { cat LICENSE && printf '\nThe Apache License: /usr/share/common-licenses/Apache-2.0. The MIT license:\n\n' && cat LICENSE-MIT; } \
        >"$stage/usr/share/doc/m5/copyright"
    printf 'm5 (%s) unstable; urgency=medium\n\n  * Built from commit %s.\n\n -- %s  %s\n' "$VERSION" \
        "${M5_COMMIT:-unknown}" "$by" "$(git log -1 --format=%aD 2>/dev/null || date -R)" |
        gzip -9n >"$stage/usr/share/doc/m5/changelog.gz"
    (cd "$stage" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
    cat >"$stage/DEBIAN/control" <<CONTROL
Package: m5
Version: $VERSION
Architecture: $arch
Maintainer: $by
Section: utils
Priority: optional
$(depends)
Installed-Size: $(du -sk --exclude=DEBIAN "$stage" | cut -f1)
Homepage: $(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)
Description: keeps long-running Python services flat
 Attaches from outside to an unmodified, running CPython process and says
 whether it grows, what grows and who holds it, which pauses of the garbage
 collector hurt, what to change, and whether the change worked.
CONTROL
    sed -i '/^$/d' "$stage/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$stage" "dist/m5_${VERSION}_$arch.deb" >/dev/null
    say "dist/m5_${VERSION}_$arch.deb: apt install ./dist/m5_${VERSION}_$arch.deb"
}

case ${1:-} in
binary) binary "${2:-}" ;;
static) static ;;
deb) deb ;;
install)
    program
    lay_out "${DESTDIR:-}" "${PREFIX:-/usr/local}"
    ;;
*) say "usage: scripts/pack.sh binary [GLIBC] | static | deb | install" && exit 2 ;;
esac
