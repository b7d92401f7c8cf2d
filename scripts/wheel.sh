#!/usr/bin/env bash
# Builds the wheel m5mem into dist/: one for CPython 3.9 and later, with the m5 binary in it.
# Needs cargo and maturin (a python with the module, or the program). M5_PROFILE=dev builds faster and slower.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${M5_PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}
scripts=python/m5mem.data/scripts
built=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/m5

cargo build --profile "$profile" --bin m5
mkdir -p "$scripts"
install -m 755 "$built" "$scripts/m5.new"
mv "$scripts/m5.new" "$scripts/m5"

if command -v maturin >/dev/null; then maturin=(maturin); else maturin=("${PYTHON:-python3}" -m maturin); fi
# A module left by a development build must not ride along.
rm -f python/m5mem/_native*.so
# The extension module is the same for every Python: ask for no interpreter.
"${maturin[@]}" build --profile "$profile" --out dist "$@"
ls -l dist/m5mem-*.whl
