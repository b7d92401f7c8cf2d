"""A headless Chromium, spoken to over its DevTools protocol: what a page shows, asks for and complains about."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip


def chromium() -> str | None:
    """The browser, if it is installed."""
    return shutil.which("chromium")


class Browser:
    """A running browser with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        command = [chromium() or "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = profile / "DevToolsActivePort"
        until("the browser starts", lambda: port_file.exists() and port_file.read_text().count("\n") >= 1)
        self.port = int(port_file.read_text().splitlines()[0])

    def tab(self) -> Tab:
        """A new, empty tab."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Tab(json.load(answer)["webSocketDebuggerUrl"])

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Tab:
    """One page: commands in, events kept."""

    def __init__(self, address: str) -> None:
        self.open = ExitStack()
        self.socket = self.open.enter_context(connect(address, max_size=1 << 28, compression=None))
        self.number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def close(self) -> None:
        self.open.close()

    def _note(self, message: dict[str, Any]) -> None:
        what, values = message.get("method"), message.get("params", {})
        if what == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(values["exceptionDetails"]))
        elif what == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(values["entry"]))
        elif what == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(values["args"]))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screen(self, width: int, *, dark: bool) -> None:
        """From now on, a screen of so many pixels of a reader who likes it light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def show(self, address: str, *, width: int = 1280, dark: bool = False, lang: str = "en") -> None:
        """Opens an address as a reader with this screen and taste would, and waits until it is drawn."""
        self.screen(width, dark=dark)
        self.call("Emulation.setLocaleOverride", locale={"en": "en-US", "zh": "zh-CN"}[lang])
        agent = self.evaluate("navigator.userAgent")
        self.call(
            "Emulation.setUserAgentOverride",
            userAgent=agent,
            acceptLanguage={"en": "en", "zh": "zh-CN"}[lang],
        )
        self.call("Page.navigate", url=address)
        until("the page is drawn", lambda: self.evaluate("!!document.documentElement?.dataset.drawn"))

    def screenshot(self, file: Path, clip: tuple[float, float] | None = None) -> None:
        """The whole page as a picture, or so much of it: width and height."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        width, height = clip or (size["width"], min(size["height"], 6000))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))


def until(what: str, ready: Any, seconds: float = 60.0) -> Any:
    """Waits for a condition; how long that takes is no part of any test."""
    end = time.monotonic() + seconds
    while not (value := ready()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
    return value
