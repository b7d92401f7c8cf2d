#!/usr/bin/env bash
# The documentation as a book: writes docs/commands.md from what each command says of itself, then target/book.
# M5 names the program (target/release/m5).
set -euo pipefail
cd "$(dirname "$0")/.."
M5=${M5:-target/release/m5}

{
    printf '# Commands\n\nWhat `--help` says, made by `scripts/book.sh`.\n\n```text\n'
    "$M5" --help --color never
    printf '```\n'
    "$M5" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | while read -r name; do
        printf '\n## m5 %s\n\n```text\n' "$name"
        "$M5" "$name" --help
        printf '```\n'
    done
} >docs/commands.md

if command -v mdbook >/dev/null; then
    mdbook build docs
else
    printf 'docs/commands.md is made; for target/book: cargo install mdbook\n' >&2
fi
