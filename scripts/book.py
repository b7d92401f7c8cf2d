"""Lays out what mdbook makes the book of: the pages below docs/, the READMEs, and a page of every command.

    python scripts/book.py OUT M5

OUT is made anew. A link from page to page leads to the page of the book, one to any other file to that file in the
repository; one that leads nowhere is an error. Decisions, which come and go, are put into the table of contents here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|#")


def repository() -> str:
    """Where the files are that are not in the book."""
    found = re.search(r'^repository = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    return f"{found.group(1)}/blob/main" if found else ""


def placed() -> dict[Path, Path]:
    """Every file of the book: where it is, and where in the book it goes."""
    docs = ROOT / "docs"
    files = [path for path in docs.rglob("*") if path.suffix in (".md", ".png", ".toml")]
    inside = {path: path.relative_to(docs) for path in files}
    both = {**inside, ROOT / "README.md": Path("README.md"), ROOT / "README.zh.md": Path("README.zh.md")}
    # mdbook makes index.html of a README, and leads links to README.html.
    return {path: to.with_name("index.md") if to.name == "README.md" else to for path, to in both.items()}


def linked(page: Path, places: dict[Path, Path], missing: list[str]) -> str:
    """A page's text, its links as they are in the book. What leads nowhere goes into `missing`."""

    def lead(match: re.Match[str]) -> str:
        target = match.group(2)
        if OUTSIDE.match(target):
            return match.group(0)
        name, mark, fragment = target.partition("#")
        file = Path(os.path.normpath(page.parent / name))
        if file in places:
            to = os.path.relpath(places[file], places[page].parent)
        elif file == ROOT / "docs" / "commands.md":
            to = os.path.relpath("commands.md", places[page].parent)
        elif file.exists():
            to = f"{repository()}/{file.relative_to(ROOT)}"
        else:
            missing.append(f"{page.relative_to(ROOT)}: {target}")
            return match.group(0)
        return f"{match.group(1)}{to}{mark}{fragment}{match.group(3)}"

    parts = re.split(r"(^```.*?^```$)", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(lead, part) for part in parts)


def decisions() -> str:
    """Lines of the table of contents."""
    lines = ["- [Decisions](adr/index.md)"]
    for page in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        title = page.read_text().splitlines()[0].lstrip("# ")
        lines.append(f"  - [{title}](adr/{page.name})")
    return "\n".join(lines) + "\n"


def commands(m5: str) -> str:
    """The page of what each command says of itself."""

    def says(*words: str) -> str:
        asked = [m5, *words, "--help", "--color", "never"]
        return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout

    whole = says()
    listed = whole.split("\nCommands:\n", 1)[1].split("\n\n", 1)[0]
    names = re.findall(r"^  ([a-z][a-z-]*) ", listed, re.MULTILINE)
    parts = [f"# Commands\n\nWhat `--help` says.\n\n```text\n{whole}```\n"]
    parts += [f"\n## m5 {name}\n\n```text\n{says(name)}```\n" for name in names]
    return "".join(parts)


def pages() -> dict[Path, str]:
    """The text of each page by its place in the book; ends the program where a link or a page is lost."""
    places, missing = placed(), []
    made = {to: linked(file, places, missing) for file, to in places.items() if to.suffix == ".md"}
    made[Path("SUMMARY.md")] += decisions()
    known = {*re.findall(r"\]\(([^)]+)\)", made[Path("SUMMARY.md")]), "SUMMARY.md"}
    missing += [f"docs/SUMMARY.md: no line for {page}" for page in made if str(page) not in known]
    if missing:
        raise SystemExit("\n  ".join(["links that lead nowhere, or pages that none leads to:", *missing]))
    return made


def main() -> None:
    out, m5 = Path(sys.argv[1]), sys.argv[2]
    shutil.rmtree(out, ignore_errors=True)
    made = pages()
    made[Path("commands.md")] = commands(m5)
    for place, text in made.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(text)
    for file, place in placed().items():
        if place.suffix != ".md":
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, out / place)


if __name__ == "__main__":
    main()
