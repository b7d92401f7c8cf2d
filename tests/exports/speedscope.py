"""speedscope in headless Chromium: which profiles it opens, and what its table of frames says."""

from __future__ import annotations

import os
from pathlib import Path

from chrome import Tab, chrome, until

KEY = {"key": "3", "code": "Digit3", "windowsVirtualKeyCode": 51}
ROWS = (
    "[...document.querySelectorAll('tr')].map(row => row.innerText.split(/[\\t\\n]+/).filter(cell => cell))"
)


def page() -> Path | None:
    """speedscope's own page, where npm put it into one of NODE_PATH's directories."""
    for directory in filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)):
        file = Path(directory) / "speedscope/dist/release/index.html"
        if file.exists():
            return file
    return None


def look(profiles: list[Path], start: Path) -> list[dict[str, tuple[str, str]]]:
    """Total and own value of each frame, as the sandwich view words them, by name; one table a profile."""
    with chrome() as browser:
        return [table(browser.tab(), profile, start) for profile in profiles]


def table(tab: Tab, profile: Path, start: Path) -> dict[str, tuple[str, str]]:
    tab.call("Page.navigate", url=start.as_uri())
    until("the page is there", lambda: tab.evaluate("!!document.querySelector('input[type=file]')"))
    chooser = tab.call("Runtime.evaluate", expression="document.querySelector('input[type=file]')")["result"]
    tab.call("DOM.setFileInputFiles", files=[str(profile.resolve())], objectId=chooser["objectId"])
    until("it is open", lambda: profile.name in tab.evaluate("document.title"))

    def drawn() -> bool:
        tab.call("Input.dispatchKeyEvent", type="keyDown", text="3", **KEY)
        tab.call("Input.dispatchKeyEvent", type="keyUp", **KEY)
        return len(tab.evaluate(ROWS)) > 1

    until("its table is drawn", drawn)
    rows = [row for row in tab.evaluate(ROWS) if len(row) == 3]
    return {name: (total, own) for total, own, name in rows}
