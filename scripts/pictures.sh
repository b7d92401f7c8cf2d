#!/usr/bin/env bash
# Pictures of a real run of twelve minutes into out/pictures, and those of docs/pictures: the page, m5 top, saved reports.
# Needs chromium, a font with Chinese letters (Debian's fonts-wqy-zenhei or fonts-noto-cjk), and target/debug/m5 or M5.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v chromium >/dev/null || { echo "MISSING: chromium (apt install chromium)" >&2; exit 2; }
fc-list :lang=zh | grep -q . || { echo "MISSING: a font with Chinese letters (apt install fonts-wqy-zenhei)" >&2; exit 2; }
scripts/prepare.sh dev
.venv/bin/python -m pip install --disable-pip-version-check --quiet pyte
.venv/bin/python scripts/pictures.py --docs "$@"
ls -l out/pictures docs/pictures
