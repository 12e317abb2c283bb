#!/usr/bin/env bash
# Builds everything and runs every test. Usage: run.sh CARGO
#
# The program under test and the tests are built by one command: cargo builds a program
# only for the tests of its own package, and selects features by what is built together.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=$1

"$cargo" build --locked --workspace --bins --tests --examples
export PGDECK_EXAMPLES_BUILT=1
# Gigabytes that were just built are still being written; the first fsync of a server with a
# time limit would wait for all of them.
sync
if "$cargo" nextest --version >/dev/null 2>&1; then
    "$cargo" nextest run --locked --workspace
else
    # Without nextest a process runs its tests as threads; servers wait more than they compute.
    "$cargo" test --locked --workspace --no-fail-fast -- --test-threads 4
fi
