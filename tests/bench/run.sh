#!/usr/bin/env bash
# Measures pgdeck and its peers and prints one table. Arguments go to the program that
# measures: --alone, --brief, --runs N, --major N, --write FILE.
#
# The server is fetched as for the tests. Peers are installed once: Debian's by apt-get as
# root, pg_activity into a Python environment in $PGDECK_BENCH_CACHE (/var/cache/pgdeck-bench
# for root, else ~/.cache/pgdeck-bench). One that cannot be had is named in the report.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}

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

# A package of Debian that has this command.
debian_peer() {
    local name=$1 command=$2 package=$3
    if ! command -v "$command" >/dev/null && is_root && command -v apt-get >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package" \
            >"$cache/$package.log" 2>&1 ||
            { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends "$package"; } \
                >"$cache/$package.log" 2>&1 || true
    fi
    if command -v "$command" >/dev/null; then
        found "$name" "$(command -v "$command")"
    elif is_root; then
        missing "$name" "apt-get install $package failed"
    else
        missing "$name" "only root can apt-get install $package"
    fi
}

# The newest that the environment made once has.
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

# No package of Debian: taken when somebody has installed it.
bottom() {
    if command -v btm >/dev/null; then
        found BOTTOM "$(command -v btm)"
    else
        missing BOTTOM "no package of Debian; cargo install bottom"
    fi
}

cache=$(choose_cache)
mkdir -p "$cache"
tests/majors.sh --only 15
debian_peer PG_TOP pg_top pgtop
debian_peer BTOP btop btop
pg_activity
bottom
"$cargo" build --locked --release -p pgdeck-tests --bin pgdeck-bench
PGDECK_BIN=${PGDECK_BIN:-target/release/pgdeck} exec target/release/pgdeck-bench "$@"
