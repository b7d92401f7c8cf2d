"""The page of `m5 snapshot --format html` in headless Chromium, on a phone and a desk, in the light and the dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chrome import Browser, chrome, until

SCREENS = [(390, False), (390, True), (1280, False), (1280, True)]
# Texts that reach beyond their box. Names in the treemap may; sizes there are left out instead.
CUT = """[
  ...[...document.querySelectorAll('td, th, .line, .fact, #notes div')].filter(e => e.scrollWidth > e.clientWidth + 1),
  ...[...document.querySelectorAll('#map .named')].filter(e => {
    if (!/[0-9] [KMG]?i?B$/.test(e.textContent)) return false;
    const size = document.createRange(), text = e.firstChild;
    size.setStart(text, text.data.indexOf('\\n') + 1);
    size.setEnd(text, text.length);
    return size.getBoundingClientRect().right > e.getBoundingClientRect().right + 1;
  }),
]"""
# Texts that stand out from their background by less than 4.5 : 1, WCAG's measure.
PALE = """(() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const linear = v => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const seen = c => c.length < 4 || c[3] > 0;
  const behind = e => {
    while (e && !seen(rgb(getComputedStyle(e).backgroundColor))) e = e.parentElement;
    return e ? rgb(getComputedStyle(e).backgroundColor) : [255, 255, 255];
  };
  const own = e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll('body *:not(script)')].filter(own).filter(e => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  });
})()"""
# The RSS that the head says, and the one that the treemap stands for.
RSS = "['.fact b', '#crumbs'].map(where => document.querySelector(where).innerText.match(/[0-9.]+ .iB/)[0])"


def look(file: Path, pictures: Path | None = None) -> dict[str, dict[str, Any]]:
    """What is wrong with the page, by screen."""
    with chrome() as browser:
        return {
            f"{w} wide, {'dark' if d else 'light'}": read(browser, file, w, d, pictures) for w, d in SCREENS
        }


def read(browser: Browser, file: Path, width: int, dark: bool, pictures: Path | None) -> dict[str, Any]:
    tab = browser.tab()
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    tab.call("Emulation.setEmulatedMedia", features=[scheme])
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    tab.call("Emulation.setDeviceMetricsOverride", **screen)
    tab.call("Page.navigate", url=file.resolve().as_uri())
    until("the page is drawn", lambda: tab.evaluate("document.querySelectorAll('#tree details').length > 0"))
    if pictures:
        tab.screenshot(pictures / f"page-{width}-{scheme['value']}.png")
    name = "e => e.className + ' ' + e.textContent.slice(0, 60)"
    return {
        "scrolls sideways": tab.evaluate("document.documentElement.scrollWidth - window.innerWidth"),
        "cut": tab.evaluate(f"{CUT}.map({name})"),
        "pale": tab.evaluate(f"{PALE}.map({name})"),
        "different RSS": len(set(tab.evaluate(RSS))) - 1,
        "complaints": tab.complaints,
    }
