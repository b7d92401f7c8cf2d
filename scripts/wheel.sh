#!/usr/bin/env bash
# Builds the wheel m5mem into dist/, with the m5 program in it. What may be set: see scripts/wheel_backend.py.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" scripts/wheel_backend.py dist "$@"
