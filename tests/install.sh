#!/usr/bin/env bash
# Installs program, man pages and completions. For "make install", which sets CARGO, PREFIX
# and DESTDIR. Builds only what is not built: under sudo there is often no cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

program=target/release/pgdeck
if [ ! -x $program ] || command -v "$CARGO" >/dev/null 2>&1; then
    tests/need-cargo.sh "$CARGO"
    "$CARGO" build --locked --release -p pgdeck
fi

# Everything is made first: a program that cannot print its completions is not installed.
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir "$made/man"
for shell in bash zsh fish; do
    $program completions $shell >"$made/$shell"
    [ -s "$made/$shell" ] || {
        printf '%s\nDETAIL: %s\nHINT: %s\n' "pgdeck cannot be installed" \
            "'$program completions $shell' prints nothing" "Build it again with: make clean release" >&2
        exit 1
    }
done
$program man "$made/man"

root=$DESTDIR$PREFIX
share=$root/share
install -D -m 755 $program "$root/bin/pgdeck"
# The program answers to the names of the operations guide, too.
for name in pgx_xlogcopy.cmd pgx_walcopy.cmd; do
    ln -sf pgdeck "$root/bin/$name"
done
install -D -m 644 "$made/bash" "$share/bash-completion/completions/pgdeck"
install -D -m 644 "$made/zsh" "$share/zsh/site-functions/_pgdeck"
install -D -m 644 "$made/fish" "$share/fish/vendor_completions.d/pgdeck.fish"
install -d "$share/man/man1"
install -m 644 "$made"/man/* "$share/man/man1/"
echo "pgdeck is installed in $root/bin"
