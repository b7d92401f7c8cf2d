#!/usr/bin/env bash
# Pictures of a real run: the page on a desk, on a phone, dark and in Chinese into out/page, and docs/pictures/page.png.
# Needs chromium, a font with Chinese letters (Debian's fonts-wqy-zenhei or fonts-noto-cjk), and target/debug/m5 or M5.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v chromium >/dev/null || { echo "MISSING: chromium (apt install chromium)" >&2; exit 2; }
fc-list :lang=zh | grep -q . || { echo "MISSING: a font with Chinese letters (apt install fonts-wqy-zenhei)" >&2; exit 2; }
scripts/prepare.sh dev
.venv/bin/python -m pytest -q tests/page
mkdir -p docs/pictures
cp out/page/live-en-light.png docs/pictures/page.png
ls -l out/page docs/pictures
