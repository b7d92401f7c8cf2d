"""Pictures of a real run: the page, `m5 top` and the reports that are saved as pages, each as people see it.

python scripts/pictures.py [--seconds 720] [--into out/pictures] [--docs]

Three services run: a shop that forgets no order, a market gateway whose memory is level, and 报表, which sleeps. m5 looks
at them for as long as a verdict takes, twelve minutes. `--docs` renews docs/pictures. Needs chromium, a font with Chinese,
pyte (pip install pyte) and target/debug/m5, or M5.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parent.parent
M5 = os.environ.get("M5") or str(ROOT / "target/debug/m5")
sys.path.insert(0, str(ROOT / "tests/page"))
from browser import Browser, Tab, until  # noqa: E402

from reference import stop_on_sigterm  # noqa: E402

SHOP = """
import asyncio, gc
class Order:
    def __init__(self, number):
        self.number, self.lines = number, ["x" * 200 for _ in range(5)]
orders = []
async def serve():
    print("ready", flush=True)
    while True:
        for _ in range(8):
            orders.append(Order(len(orders)))
        [[i] for i in range(3000)]
        await asyncio.sleep(0.05)
asyncio.run(serve())
"""
GATEWAY = """
import asyncio, collections
async def serve():
    book = collections.deque(maxlen=60_000)
    book.extend({"price": n, "size": [n]} for n in range(60_000))
    held = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    links = [await asyncio.open_connection(*held.sockets[0].getsockname()) for _ in range(4)]
    print("ready", flush=True)
    while True:
        book.extend({"price": n, "size": [n]} for n in range(400))
        await asyncio.sleep(0.02)
asyncio.run(serve())
"""
REPORTS = """
import sys, time
kept = [bytes(1 << 20) for _ in range(12)]
print("ready", flush=True)
while True:
    [[n] for n in range(2000)]
    time.sleep(1)
"""
SERVICES = {"shop": SHOP, "gateway": GATEWAY, "报表": REPORTS}
# Pages that the documentation shows.
DOCUMENTED = ("page", "page-zh")
# As terminals show them.
COLORS = {
    "default": "#d8dee9", "red": "#f7768e", "green": "#9ece6a", "brown": "#e0af68", "yellow": "#e0af68",
    "blue": "#7aa2f7", "cyan": "#7dcfff", "magenta": "#bb9af7", "black": "#15161e", "brightblack": "#7a8199",
}  # fmt: skip


@contextmanager
def services(folder: Path) -> Iterator[dict[str, int]]:
    """The services, ready; their PIDs by name."""
    with ExitStack() as running:
        pids = {}
        for name, text in SERVICES.items():
            program = folder / f"{name}.py"
            program.write_text(text)
            process = subprocess.Popen(
                [sys.executable, program.name], cwd=folder, stdout=subprocess.PIPE, text=True
            )
            running.callback(process.wait)
            running.callback(process.kill)
            assert process.stdout.readline() == "ready\n"
            pids[name] = process.pid
        yield pids


@contextmanager
def exporter(folder: Path, pids: dict[str, int]) -> Iterator[str]:
    """The address of `m5 serve` over them."""
    which = [word for pid in pids.values() for word in ("-p", str(pid))]
    words = [M5, "serve", "--lang", "en", *which, "--listen", "127.0.0.1:0", "--interval", "1s"]
    process = subprocess.Popen(
        [*words, "--history", folder / "history.db"], stderr=subprocess.PIPE, text=True
    )
    try:
        yield process.stderr.readline().split("serving on ")[1].split(" ")[0]
    finally:
        process.terminate()
        process.wait()


class Top:
    """`m5 top` on a terminal, which can change its size."""

    def __init__(self, pids: dict[str, int], folder: Path) -> None:
        self.screen = pyte.Screen(100, 12)
        self.stream = pyte.ByteStream(self.screen)
        words = [M5, "top", "--lang", "en", "--color", "always", "--interval", "1s"]
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(TERM="xterm-256color")
            os.chdir(folder)  # snapshots go there
            os.execv(M5, [*words, *(word for pid in pids.values() for word in ("-p", str(pid)))])
        self.resize(100, 12)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        self.screen.reset()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds: float) -> None:
        """Takes what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.terminal], [], [], left)[0]:
                return
            try:
                self.stream.feed(os.read(self.terminal, 65536))
            except OSError:
                return  # it has ended

    def press(self, keys: str, seconds: float) -> None:
        os.write(self.terminal, keys.encode())
        self.read(seconds)

    def close(self) -> None:
        os.write(self.terminal, b"q")
        self.read(0.5)
        os.close(self.terminal)
        os.waitpid(self.child, 0)

    def page(self) -> str:
        """The screen as a page."""
        lines = []
        for y in range(self.screen.lines):
            row, cells, wide = self.screen.buffer[y], [], False
            for x in range(self.screen.columns):
                cell = row[x]
                if not cell.data and wide:
                    wide = False
                    continue  # its second half
                text = cell.data or " "
                wide = text >= "\u2e80"
                front, back = (
                    COLORS.get(c, f"#{c}") for c in (cell.fg, "black" if cell.bg == "default" else cell.bg)
                )
                if cell.reverse:
                    front, back = back, front
                style = f"color:{front};background:{back};{'font-weight:bold' if cell.bold else ''}"
                style += f";width:{1 + wide}ch;display:inline-block"
                cells.append(f'<span style="{style}">{html.escape(text)}</span>')
            lines.append("".join(cells))
        return (
            '<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#15161e;display:inline-block;padding:10px}'
            "pre{margin:0;font:14px/1.25 'DejaVu Sans Mono','WenQuanYi Zen Hei Mono',monospace}</style><pre>"
            + "\n".join(lines)
            + "</pre><script>document.documentElement.dataset.drawn = 1</script>"
        )


def shoot_top(tab: Tab, top: Top, folder: Path, into: Path) -> None:
    """The list at three widths and in Chinese, one process, and the help."""
    for name, columns, lines, keys in (
        ("top-60", 60, 12, ""), ("top-100", 100, 12, ""), ("top-160", 160, 12, ""), ("top-zh", 100, 12, "l"),
        ("top-help", 80, 20, "l?"), ("top-process", 110, 34, "\x1b\rt"), ("top-process-60", 60, 30, ""),
    ):  # fmt: skip
        top.resize(columns, lines)
        for key in keys:
            top.press(key, 1)
        top.read(20 if "t" in keys else 3)
        file = folder / f"{name}.html"
        file.write_text(top.page())
        tab.show(file.as_uri(), width=columns * 9 + 30)
        clip = tab.evaluate(
            "(b => [b.width + 20, b.height + 20])(document.querySelector('pre').getBoundingClientRect())"
        )
        tab.screenshot(into / f"{name}.png", clip=tuple(clip))


def shoot_page(tab: Tab, address: str, into: Path) -> None:
    """The page on a desk, dark, in Chinese and on a phone."""
    for name, more in {
        "page": {}, "page-dark": {"dark": True}, "page-zh": {"lang": "zh"},
        "page-phone": {"width": 390}, "page-phone-zh": {"width": 390, "lang": "zh", "dark": True},
    }.items():  # fmt: skip
        tab.show(address, **more)
        until("it is drawn", lambda: tab.evaluate("document.querySelectorAll('figure svg').length") >= 5)
        tab.screenshot(into / f"{name}.png")
        # The list and the first process, for the documentation.
        first = "document.querySelectorAll('details')[1].getBoundingClientRect().top + window.scrollY - 8"
        if name in DOCUMENTED:
            tab.screenshot(into / f"first-{name}.png", clip=(1280, tab.evaluate(first)))


def shoot_reports(tab: Tab, folder: Path, into: Path, pids: dict[str, int]) -> None:
    """Whatever m5 saves as a page."""
    shop = ["-p", str(pids["shop"])]
    reports = {
        "baseline": ["baseline", *shop, "-d", "20s", "--html", "FILE"],
        "history": [
            "baseline",
            "--from-history",
            str(folder / "history.db"),
            "--name",
            "shop",
            "--html",
            "FILE",
        ],
        "gc": ["gc", "-p", str(pids["报表"]), "-d", "20s", "--html", "FILE"],
        "snapshot": ["snapshot", *shop, "-f", "html", "-o", "FILE"],
        "alloc": ["alloc", *shop, "-d", "10s", "-f", "html", "-o", "FILE"],
    }
    for name, words in reports.items():
        for lang in ("en", "zh"):
            file = folder / f"{name}-{lang}.html"
            command = [M5, *(str(file) if word == "FILE" else word for word in words), "--lang", lang]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if not file.exists():
                print(f"left out: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
                continue
            tab.call("Page.navigate", url="about:blank")
            tab.screen(1280 if lang == "en" else 390, dark=lang != "en")
            tab.call("Page.navigate", url=file.as_uri())
            until("it is there", lambda: tab.evaluate("document.readyState") == "complete")
            time.sleep(1)
            tab.screenshot(into / f"report-{name}-{lang}.png")
            assert not tab.complaints, (name, tab.complaints)


def main() -> None:
    """Runs the services, looks, and takes the pictures."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=720.0)
    options.add_argument("--into", type=Path, default=ROOT / "out/pictures")
    options.add_argument("--docs", action="store_true")
    asked = options.parse_args()
    stop_on_sigterm()
    asked.into.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pids = stack.enter_context(services(folder))
        address = stack.enter_context(exporter(folder, pids))
        (folder / "profile").mkdir()
        browser = Browser(folder / "profile")
        stack.callback(browser.close)
        tab = browser.tab()
        stack.callback(tab.close)
        top = Top(pids, folder)
        stack.callback(top.close)
        print(f"watching {pids} for {asked.seconds:.0f} s", flush=True)
        top.read(asked.seconds)
        shoot_top(tab, top, folder, asked.into)
        shoot_page(tab, address, asked.into)
        shoot_reports(tab, folder, asked.into, pids)
    if asked.docs:
        for name in DOCUMENTED:
            shutil.copy(asked.into / f"first-{name}.png", ROOT / "docs/pictures" / f"{name}.png")


if __name__ == "__main__":
    main()
