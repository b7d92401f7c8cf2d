"""Chrome's own memory panel, headless: opens heap snapshots as a person would and says what it shows.

    tests/exports/panel.py FILE [LATER FILE] [--class NAME] [--pictures DIRECTORY]

The developer tools are part of Chromium and open in a tab like any page; files go through the panel's own
"Load profile". All numbers are the panel's: its worker parses the file and computes its own dominators.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from chrome import Browser, chrome, until

FRONT_END = "devtools://devtools/bundled/"
# What the questions below have in common.
PRELUDE = """
const panel = (await import(FRONT_END + 'panels/profiler/profiler.js')).HeapProfilerPanel.HeapProfilerPanel.instance();
const files = panel.profileTypes.find(type => type.fileExtension() === '.heapsnapshot').getProfiles();
const snapshot = async i => await files[i].loadPromise;
"""
CLASSES = """
const table = {};
for (const row of Object.values(await (await snapshot(I)).aggregatesWithFilter({})))
    table[row.name] = {count: row.count, shallow: row.self, retained: row.maxRet, distance: row.distance};
return table;
"""
# The nearest retainer of the nearest instance, again and again, as whoever unfolds the panel's lower half.
PATH = """
const heap = await snapshot(I), rows = Object.values(await heap.aggregatesWithFilter({}));
const row = rows.find(row => row.name === NAME);
if (!row) return null;
const path = [], near = (key, name) => ({fieldName1: key, ascending1: true, fieldName2: name, ascending2: true});
const instances = heap.createNodesProviderForClass(',' + NAME, {});
await instances.sortAndRewind(near('distance', 'id'));
let node = (await instances.serializeItemsRange(0, 1)).items[0];
for (let step = 0; step < 100; step++) {
    const retainers = heap.createRetainingEdgesProvider(node.nodeIndex);
    await retainers.sortAndRewind(near('distance', '!edgeName'));
    const edge = (await retainers.serializeItemsRange(0, 1)).items[0];
    if (!edge) break;
    path.push([edge.name, edge.node.name, edge.node.distance]);
    node = edge.node;
}
return path;
"""
COMPARISON = """
const [before, after] = [await snapshot(0), await snapshot(1)];
const classes = await before.aggregatesForDiff(await after.interfaceDefinitions());
const table = {};
for (const row of Object.values(await after.calculateSnapshotDiff(before.uid, classes)))
    table[row.name] = {added: row.addedCount, removed: row.removedCount, delta: row.countDelta, bytes: row.sizeDelta};
return table;
"""
# The rows that are drawn, with the words and units that a person sees.
ROWS = """
panel.showProfile(files[I]);
const view = panel.visibleView;
if (view.currentPerspective.title() !== NAME) await view.changePerspectiveAndWait(NAME);
while (!view.dataGrid.rootNode().children.length) await new Promise(wake => setTimeout(wake, 50));
return view.dataGrid.rootNode().children.map(node => node.data);
"""


class MemoryPanel:
    """The panel in a tab of its own, on an empty page."""

    def __init__(self, browser: Browser) -> None:
        subject = browser.tab().call("Target.getTargetInfo")["targetInfo"]["targetId"]
        self.tab = browser.tab()
        screen = {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.tab.call("Emulation.setDeviceMetricsOverride", **screen)
        where = f"ws=127.0.0.1:{browser.port}/devtools/page/{subject}&panel=heap-profiler"
        self.tab.call("Page.navigate", url=f"{FRONT_END}devtools_app.html?{where}")
        until(
            "the panel is there",
            lambda: self.tab.evaluate("!!document.querySelector('.tabbed-pane, body > *')"),
        )
        until("it has its button", lambda: self.ask("return !!panel.fileSelectorElement"))

    def ask(self, body: str, **values: Any) -> Any:
        """What an asynchronous function with this body returns in the front end."""
        given = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
        start = f"const FRONT_END = '{FRONT_END}';{given}{PRELUDE}"
        return self.tab.evaluate(f"(async () => {{{start}{body}}})()")

    def load(self, file: Path) -> float:
        """Gives the panel a file and says how many seconds it worked on it."""
        number = self.ask("return files.length")
        chooser = "import(`${'%s'}panels/profiler/profiler.js`)" % FRONT_END
        chooser += ".then(m => m.HeapProfilerPanel.HeapProfilerPanel.instance().fileSelectorElement)"
        element = self.tab.call("Runtime.evaluate", expression=chooser, awaitPromise=True)["result"]
        start = time.monotonic()
        self.tab.call("DOM.setFileInputFiles", files=[str(file.resolve())], objectId=element["objectId"])
        until("the panel takes the file", lambda: self.ask("return files.length") > number)
        soon = "new Promise(wake => setTimeout(wake, 5000))"
        done = f"return Promise.race([snapshot(I).then(() => true), {soon}])"
        until("the file is read", lambda: self.ask(done, I=number), 300)
        return time.monotonic() - start

    def classes(self, number: int) -> dict[str, dict[str, int]]:
        """The summary: count, shallow and retained bytes, distance, by class."""
        return self.ask(CLASSES, I=number)

    def path(self, number: int, name: str) -> list[tuple[str, str, int]]:
        """Retainers of the nearest instance of a class, outwards: name of the reference, class, distance."""
        return self.ask(PATH, I=number, NAME=name)

    def comparison(self) -> dict[str, dict[str, int]]:
        """The second file against the first, by class."""
        return self.ask(COMPARISON)

    def rows(self, number: int, perspective: str) -> list[dict[str, Any]]:
        """The rows that one of the panel's views draws."""
        return self.ask(ROWS, I=number, NAME=perspective)

    def complaints(self) -> list[str]:
        """What the panel says of the files in its console: nodes that no root reaches, broken arrays."""
        return [text for text in self.tab.complaints if "heap" in text.lower() and "WebGL" not in text]


def look(files: list[Path], name: str | None = None, pictures: Path | None = None) -> dict[str, Any]:
    """Everything that the panel says of one file, or of two of the same process."""
    with chrome() as browser:
        panel = MemoryPanel(browser)
        seen: dict[str, Any] = {"seconds": [panel.load(file) for file in files]}
        seen["classes"] = [panel.classes(number) for number in range(len(files))]
        seen["path"] = panel.path(0, name) if name else None
        seen["growth"] = panel.comparison() if len(files) > 1 else None
        for number, view in enumerate(["Summary", "Comparison"][: len(files)]):
            seen[view.lower()] = panel.rows(number, view)
            if pictures:
                panel.tab.screenshot(pictures / f"{view.lower()}.png")
        seen["complaints"] = panel.complaints()
        return seen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--class", dest="name", help="whose retainers are followed")
    parser.add_argument("--pictures", type=Path, help="where screenshots go")
    options = parser.parse_args()
    json.dump(look(options.files, options.name, options.pictures), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
