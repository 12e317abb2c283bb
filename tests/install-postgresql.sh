#!/bin/sh
# Installs a PostgreSQL server by the system's package manager, unless there is one that
# pgdeck supports (13 to 18). For "make demo".
set -eu

fail() {
    printf '%s\nDETAIL: %s\nHINT: %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# Where distributions put server programs: PGBIN, pg_config, PATH, then known places.
places() {
    [ -z "${PGBIN:-}" ] || echo "$PGBIN"
    pg_config --bindir 2>/dev/null || true
    program=$(command -v postgres 2>/dev/null) && dirname "$(readlink -f "$program")"
    ls -d /usr/lib/postgresql*/bin /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /usr/libexec/postgresql* /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin \
        /usr/local/opt/postgresql*/bin 2>/dev/null || true
}

# Whether one of them has the server programs of a supported major version.
is_installed() {
    places | while read -r place; do
        [ -x "$place/initdb" ] && [ -x "$place/pg_ctl" ] && [ -x "$place/postgres" ] || continue
        case $("$place/postgres" --version 2>/dev/null) in
        'postgres (PostgreSQL) 1'[3-8][.bdr]*) echo "$place" ;;
        esac
    done | grep -q .
}

# The command that installs a server; empty when no package manager is known.
installer() {
    if command -v apt-get >/dev/null; then echo apt-get install -y postgresql
    elif command -v dnf >/dev/null; then echo dnf install -y postgresql-server
    elif command -v yum >/dev/null; then echo yum install -y postgresql-server
    elif command -v zypper >/dev/null; then echo zypper --non-interactive install postgresql-server
    elif command -v apk >/dev/null; then echo apk add postgresql
    elif command -v pacman >/dev/null; then echo pacman -S --noconfirm postgresql
    elif command -v brew >/dev/null; then echo brew install postgresql@17
    fi
}

# The command that fetches the package lists, for managers that do not by themselves.
refresher() {
    case $1 in
    apt-get*) echo apt-get update ;;
    apk*) echo apk update ;;
    pacman*) echo pacman -Sy ;;
    *) echo false ;;
    esac
}

# "sudo" where root is needed and we are not; Homebrew refuses root.
helper() {
    case $1 in brew*) return 0 ;; esac
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null ||
        fail "PostgreSQL is not installed" "installing it needs root, and there is no sudo" \
            "As root, run: $1"
    echo sudo
}

main() {
    if is_installed; then return 0; fi
    command=$(installer)
    [ -n "$command" ] ||
        fail "PostgreSQL is not installed" \
            "no server programs of a major version 13 to 18, and no package manager that is known" \
            "Install PostgreSQL by hand and name the directory of its programs with PGBIN."
    sudo=$(helper "$command")
    echo "PostgreSQL is not installed: running $sudo${sudo:+ }$command" >&2
    # The package lists may be missing (new containers) or old: then once more with new ones.
    $sudo $command >&2 || { $sudo $(refresher "$command") >&2 && $sudo $command >&2; } ||
        fail "PostgreSQL could not be installed" "'$command' failed; its output stands above" \
            "Install PostgreSQL 13 to 18 by hand, then run make demo again."
    is_installed ||
        fail "PostgreSQL is installed, but not one that pgdeck supports" \
            "no server programs of a major version 13 to 18 were found after '$command'" \
            "Install one of these versions and name the directory of its programs with PGBIN."
}

main
