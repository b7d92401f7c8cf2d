# Part of scripts that fetch packages of other Debian suites or architectures: nothing is installed, nothing of the
# system's own package lists is touched. They set `work`, a folder for lists, archives and logs, and `architecture` where
# it is not this machine's.

# The mirror is the one that this system uses.
mirror() {
    local file
    for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -r $file ]] && sed -nE 's/^(URIs:|deb( +\[[^]]*\])?) +(https?:[^ ]*\/debian\/?)( .*)?$/\3/p' "$file"
    done | sed -n 1p
}

# apt with a source list, lists, cache and package status of its own.
private() {
    local program=$1
    shift
    "$program" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Cache="$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
        ${architecture:+-o APT::Architecture="$architecture" -o APT::Architectures="$architecture"} \
        -o APT::Default-Release= -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::Languages=none "$@"
}

# sources SUITE...: reads their package lists. Calls `give_up` with the reason where it cannot.
sources() {
    local from keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    from=$(mirror) || true
    [[ -n $from ]] || give_up "this system has no Debian mirror among its apt sources"
    [[ -e $keyring ]] || give_up "the package debian-archive-keyring is not installed"
    rm -rf "$work/lists" "$work/cache"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    : >"$work/status"
    printf "deb [signed-by=$keyring] $from %s main\n" "$@" >"$work/sources.list"
    say "reading the package lists of $*"
    private apt-get -qq update >"$work/log" 2>&1 || give_up "the suites cannot be reached: $(tail -1 "$work/log")"
}
