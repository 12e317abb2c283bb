#!/usr/bin/env bash
# The benchmark. Sections are measured one after the other:
#
#   tests/bench/run.sh              all of them
#   tests/bench/run.sh console      the console beside its peers
#   tests/bench/run.sh backup       backups and the WAL archive beside pgBackRest, pg_basebackup
#   tests/bench/run.sh recovery     restoring, replaying and planning beside pgBackRest and cp
#
# Options after the section go to the program that measures: --alone, --brief, --runs N,
# --write FILE; for the console also --major N. The exit code tells whether the measurement worked; a missed budget
# is printed and is no failure.
#
# The server is fetched as for the tests. Peers are installed once: Debian's by apt-get as
# root, pg_activity into a Python environment in $PGDECK_BENCH_CACHE (/var/cache/pgdeck-bench
# for root, else ~/.cache/pgdeck-bench). One that cannot be had is named in the report.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
built=${CARGO_TARGET_DIR:-$PWD/target}/release
all_sections='console backup recovery'

is_root() { [ "$(id -u)" -eq 0 ]; }

choose_cache() {
    if [ -n "${PGDECK_BENCH_CACHE:-}" ]; then
        echo "$PGDECK_BENCH_CACHE"
    elif is_root; then
        echo /var/cache/pgdeck-bench
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/pgdeck-bench"
    fi
}

# found NAME PATH / missing NAME REASON: what the measuring program is told.
found() { export "BENCH_$1=$2"; }
missing() { export "BENCH_$1_MISSING=$2"; }

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1"
}

# A package of Debian that has this command.
debian_peer() {
    local name=$1 command=$2 package=$3 log=$cache/$3.log
    if ! command -v "$command" >/dev/null && is_root && command -v apt-get >/dev/null; then
        apt_install "$package" >"$log" 2>&1 ||
            { apt-get update -q && apt_install "$package"; } >"$log" 2>&1 || true
    fi
    if command -v "$command" >/dev/null; then
        found "$name" "$(command -v "$command")"
    elif ! command -v apt-get >/dev/null; then
        missing "$name" "no $command here, and no apt-get to install $package"
    elif is_root; then
        missing "$name" "apt-get install $package failed: $(tail -n 1 "$log" | cut -c 1-120)"
    else
        missing "$name" "only root can apt-get install $package"
    fi
}

# The newest there was when the environment was made.
pg_activity() {
    local place=$cache/pg_activity log=$cache/pg_activity.log
    if [ ! -x "$place/bin/pg_activity" ]; then
        rm -rf "$place"
        if ! python3 -m venv "$place" >"$log" 2>&1 ||
            ! "$place/bin/pip" install -q 'pg_activity[psycopg]' >>"$log" 2>&1; then
            missing PG_ACTIVITY "pip install pg_activity failed: $(tail -n 1 "$log" | cut -c 1-120)"
            rm -rf "$place"
            return
        fi
    fi
    found PG_ACTIVITY "$place/bin/pg_activity"
}

section_console() {
    cache=$(choose_cache)
    mkdir -p "$cache" || return 1
    tests/majors.sh --only 15 || return 1
    debian_peer PG_TOP pg_top pgtop
    debian_peer BTOP btop btop
    pg_activity
    PGDECK_BIN=${PGDECK_BIN:-$built/pgdeck} "$built/pgdeck-bench" console "$@"
}

# Clusters of 2 GB and 0.5 GB are made in the cache once.
section_backup() { on_clusters backup "$@"; }
section_recovery() { on_clusters recovery "$@"; }

on_clusters() {
    local section=$1
    shift
    cache=$(choose_cache)
    mkdir -p "$cache" || return 1
    tests/majors.sh --only 15 || return 1
    debian_peer PGBACKREST pgbackrest pgbackrest
    PGDECK_BENCH_CACHE=$cache PGDECK_BIN=${PGDECK_BIN:-$built/pgdeck} \
        "$built/pgdeck-bench" "$section" "$@"
}

sections=$all_sections
case ${1:-} in
'' | -*) ;;
all) shift ;;
console | backup | recovery) sections=$1 && shift ;;
*)
    echo "there is no section $1; sections: $all_sections" >&2
    exit 64
    ;;
esac
"$cargo" build --locked --release -p pgdeck -p pgdeck-tests --bin pgdeck --bin pgdeck-bench
code=0
for section in $sections; do
    # One that fails does not end the others.
    "section_$section" "$@" || code=1
done
exit "$code"
