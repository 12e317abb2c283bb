#!/bin/sh
# Says in three lines how to get cargo when it is missing. Usage: need-cargo.sh CARGO
set -eu
command -v "$1" >/dev/null 2>&1 && exit 0
cat >&2 <<END
$1 is not installed
DETAIL: pgdeck is built with Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml") or newer, and there is no $1 in PATH.
HINT: Install Rust as https://www.rust-lang.org/tools/install shows, or from your distribution if that is new enough.
END
exit 1
