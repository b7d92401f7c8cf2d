# Part of tests/interpreters.sh: CPythons out of the wheels of freeze-core, which hold whole static interpreters for
# glibc and musl, with the GIL and without. Nothing is built. The standard library of the same minor version is taken
# from an interpreter that is there.
#
# A root is called wheel-VERSION-LIBC (wheel-3.14t-musl). Those for musl are started by chroot, as in a container;
# the others where they lie.

# version:libc:release of the package; newer releases have dropped the older Pythons.
wheels=(3.11:glibc: 3.12:glibc: 3.13:glibc: 3.14:glibc: 3.15:glibc:
    3.11:musl: 3.12:musl: 3.13:musl: 3.14:musl: 3.15:musl:
    3.13t:glibc:0.6.1 3.13t:musl:0.6.1 3.14t:glibc: 3.14t:musl: 3.15t:glibc: 3.15t:musl:)

# The newest Python with pip.
with_pip() {
    local python
    for python in $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 2>/dev/null | sort -rV) python3; do
        "$python" -m pip --version >/dev/null 2>&1 && echo "$python" && return
    done
    return 1
}

# stdlib MINOR: a folder with the standard library.
stdlib() {
    local folder
    for folder in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/lib/python"$1" "$dir"/debian-"$1"/usr/lib/python"$1" \
        /usr/lib/python"$1"; do
        [[ -e $folder/threading.py ]] && echo "$folder" && return
    done
    return 1
}

# Musl's loader from sid, in $work/musl.
musl() {
    [[ -e $work/musl/lib/ld-musl-x86_64.so.1 ]] && return
    [[ -e $work/sources.list ]] || sources trixie sid
    mkdir -p "$work/musl"
    (cd "$work/musl" && private apt-get -qq -t sid download musl) >>"$work/log" 2>&1 || return 1
    dpkg-deb -x "$work"/musl/musl_*.deb "$work/musl"
}

# zlib_for FOLDER: the zlib of this system, made fit for musl.
zlib_for() {
    local zlib
    zlib=$(ldconfig -p | sed -nE 's/.*libz\.so\.1 \(libc6,x86-64\) => //p' | sed -n 1p)
    [[ -n $zlib ]] || { echo "no zlib" >"$work/log"; return 1; }
    # It gives up its name to what is linked with it.
    LC_ALL=C sed 's/libz\.so\.1\x0/libZ.so.1\x0/' "$zlib" >"$1/libZ.so.1"
    cc -w -shared -fPIC -nostdlib -fno-stack-protector -U_FORTIFY_SOURCE -Wl,-soname,libz.so.1 -Wl,-rpath,'$ORIGIN' \
        -o "$1/libz.so.1" "$here/interpreters/zlib_for_musl.c" -Wl,--no-as-needed "$1/libZ.so.1" 2>"$work/log"
}

# from_wheel ROOT VERSION LIBC RELEASE
from_wheel() {
    local root=$1 version=$2 libc=$3 release=$4 into="$dir/.$1.partial" minor platform python home library
    minor=${version%t}
    python=$(with_pip) || { echo "no Python with pip" >"$work/log"; return 1; }
    library=$(stdlib "$minor") || { echo "no standard library of $minor" >"$work/log"; return 1; }
    platform=manylinux2014_x86_64
    [[ $libc == musl ]] && platform=musllinux_1_2_x86_64
    say "fetching Python $version for $libc"
    rm -rf "$into" "$work/wheel"
    mkdir -p "$into" "$work/wheel/x"
    "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --implementation cp \
        --python-version "$minor" --abi "cp${version/./}" --platform "$platform" --dest "$work/wheel" \
        "freeze-core${release:+==$release}" >"$work/log" 2>&1 || return 1
    "$python" -m zipfile -e "$work"/wheel/*.whl "$work/wheel/x" 2>"$work/log" || return 1
    home=$into
    if [[ $libc == musl ]]; then
        musl || return 1
        home=$into/usr/local
        mkdir -p "$home" "$into"/{proc,dev,tmp,lib}
        chmod 1777 "$into/tmp"
        mknod -m 666 "$into/dev/null" c 1 3 2>/dev/null || true
        cp "$(find "$work/musl" -name libc.so | sed -n 1p)" "$into/lib/ld-musl-x86_64.so.1"
        ln -s ld-musl-x86_64.so.1 "$into/lib/libc.musl-x86_64.so.1"
    fi
    cp "$work"/wheel/x/freeze_core/bases/console-cpython-* "$home/python"
    chmod +x "$home/python"
    mkdir -p "$home/lib"
    tar -C "$library" --exclude=./test --exclude=./lib-dynload --exclude=./site-packages --exclude=./dist-packages \
        --exclude=./idlelib --exclude=./tkinter --exclude=./ensurepip --exclude='./config-*' --exclude=__pycache__ \
        -c . | tar -C "$home/lib" -x || return 1
    find "$work/wheel/x" -path '*freeze_core/lib/*.so' -exec cp -t "$home/lib" {} +
    [[ -d $work/wheel/x/freeze_core.libs ]] && cp -t "$home/lib" "$work"/wheel/x/freeze_core.libs/*
    [[ $libc == glibc ]] || zlib_for "$home/lib" || return 1
    cp "$here/interpreters/run.py" "$home/lib/__init__python.py"
    cp "$here/interpreters/run.py" "$home/lib/__startup__.py"
    local start=("$home/python")
    [[ $libc == musl ]] && start=(chroot "$into" /usr/local/python)
    "${start[@]}" -c 'import sys, base64, json, socket, threading; print(sys.version.split()[0])' >"$into/.complete" \
        2>"$work/log" || return 1
    rm -rf "${dir:?}/$root"
    mv "$into" "$dir/$root"
    say "$root: Python $(<"$dir/$root/.complete")"
}
