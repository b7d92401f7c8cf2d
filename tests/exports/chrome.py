"""A headless Chromium with a profile that goes with it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "page"))
from browser import Browser, Tab, until

__all__ = ["Browser", "Tab", "chrome", "until"]


@contextmanager
def chrome() -> Iterator[Browser]:
    profile = tempfile.mkdtemp()
    browser = Browser(Path(profile))
    try:
        yield browser
    finally:
        browser.close()
        # Processes of its own may still write there for a moment.
        shutil.rmtree(profile, ignore_errors=True)
