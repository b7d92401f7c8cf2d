# Part of tests/arm64.sh: the guest's interpreters, one archive of files each, below $dir/pythons. Debian's lie in roots of
# their own; the others are whole static CPythons out of wheels (tests/interpreters/wheels.sh says more), with the standard
# library of the same minor version from an interpreter that is here.
source tests/interpreters/wheels.sh

# name:package==release:platform. Newer releases have dropped the older Pythons.
from_wheels=(3.9:cx_Freeze==8.2.0:manylinux2014 3.10:cx_Freeze==8.2.0:manylinux2014
    3.12:freeze-core:manylinux2014 3.14t:freeze-core:manylinux2014
    3.12-musl:freeze-core:musllinux_1_2 3.14-musl:freeze-core:musllinux_1_2)

# pack ROOT ARCHIVE: its files as the kernel unpacks them.
pack() {
    (cd "$1" && find . -print0 | cpio -0 -o -H newc --owner 0:0 --quiet) >"$2.partial"
    mv "$2.partial" "$2"
}

# debian_into ROOT SUITE PACKAGE...: packages of arm64 with all they need.
debian_into() {
    local root=$1 suite=$2 package
    shift 2
    sources "$suite"
    mkdir -p "$root"/{proc,sys,dev,tmp,t,usr/{bin,sbin,lib}}
    for package in bin sbin lib; do ln -sf "usr/$package" "$root/$package"; done
    private apt-get -qq -y --no-install-recommends --download-only install "$@" >"$work/log" 2>&1 || return 1
    for package in "$work"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root" || return 1
    done
    rm -rf "$root"/usr/share/{doc,man,locale} "$root"/usr/lib/python3/dist-packages
}

# wheel_into ROOT NAME PACKAGE PLATFORM
wheel_into() {
    local root=$1 name=$2 package=$3 platform=$4 version=${2%-musl} minor python library home=$1/py/$2 folder
    minor=${version%t}
    python=$(with_pip) || { echo "no Python with pip" >"$work/log"; return 1; }
    library=$(dir=${M5_INTERPRETERS:-$HOME/.cache/m5/interpreters} stdlib "$minor") ||
        { echo "no standard library of $minor" >"$work/log"; return 1; }
    rm -rf "$work/wheel"
    "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --implementation cp \
        --python-version "$minor" --abi "cp${version/./}" --platform "${platform}_aarch64" --dest "$work/wheel" "$package" \
        >"$work/log" 2>&1 || return 1
    "$python" -m zipfile -e "$work"/wheel/*.whl "$work/wheel/x" 2>"$work/log" || return 1
    if [[ $name == *-musl ]]; then
        home=$root/musl/$name/usr/local
        mkdir -p "$root/musl/$name/lib" "$home"
        sources sid
        (cd "$work" && private apt-get -qq download musl) >"$work/log" 2>&1 || return 1
        dpkg-deb -x "$work"/musl_*.deb "$work/musl"
        cp "$(find "$work/musl" -name libc.so | sed -n 1p)" "$root/musl/$name/lib/ld-musl-aarch64.so.1"
        ln -s ld-musl-aarch64.so.1 "$root/musl/$name/lib/libc.musl-aarch64.so.1"
    fi
    mkdir -p "$home/lib"
    cp "$work"/wheel/x/*/bases/console-cpython-* "$home/python"
    chmod +x "$home/python"
    tar -C "$library" --exclude=./test --exclude=./lib-dynload --exclude=./site-packages --exclude=./dist-packages \
        --exclude=./idlelib --exclude=./tkinter --exclude=./lib2to3 --exclude=./ensurepip --exclude='./config-*' \
        --exclude=__pycache__ -c . | tar -C "$home/lib" -x || return 1
    for folder in "$work"/wheel/x/*/lib "$work"/wheel/x/*/bases/{lib-dynload,lib} "$work"/wheel/x/*.libs; do
        [[ ! -d $folder ]] || find "$folder" -maxdepth 1 -name '*.so*' -exec cp -t "$home/lib" {} +
    done
    rm -f "$home"/lib/{_tkinter,_test}*.so "$home"/lib/lib{tk,tcl,X,font,free}*
    cp tests/interpreters/run.py "$home/lib/__init__python.py"
    cp tests/interpreters/run.py "$home/lib/__startup__.py"
}

# python NAME: makes its archive where it is not there; where it cannot be had, $work/log says why.
python() {
    local entry root=$work/root package platform
    [[ ! -e $dir/pythons/$1.cpio ]] || return 0
    rm -rf "$root"
    mkdir -p "$root"
    say "fetching the guest's Python $1"
    case $1 in
    sid) debian_into "$root/sid" sid python3.13 python3.14 python3.15 || return 1 ;;
    *)
        entry=$(printf '%s\n' "${from_wheels[@]}" | grep "^$1:") || { echo "no such Python" >"$work/log"; return 1; }
        IFS=: read -r _ package platform <<<"$entry"
        wheel_into "$root" "$1" "$package" "$platform" || return 1
        ;;
    esac
    pack "$root" "$dir/pythons/$1.cpio"
}

# archive_of NAME, started_by NAME: the archive that it lies in, and what tests are told of it.
archive_of() {
    case $1 in
    3.11) ;;
    3.13 | 3.14 | 3.15) echo sid ;;
    *) echo "$1" ;;
    esac
}
started_by() {
    case $1 in
    3.11) echo "$1=/usr/bin/python3.11" ;;
    3.13 | 3.14 | 3.15) echo "$1=/sid:/usr/bin/python$1" ;;
    *-musl) echo "$1=/musl/$1:/usr/local/python" ;;
    *) echo "$1=/py/$1/python" ;;
    esac
}
