"""The documentation fits the program: links lead somewhere, every command is named, and READMEs stay short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import book  # noqa: E402


def program() -> str:
    """The m5 under test."""
    found = Path(os.environ.get("M5") or ROOT / "target/debug/m5")
    if not found.exists():
        assert not os.environ.get("CI"), f"CI must have built {found}"
        pytest.skip(f"{found} is not built")
    return str(found)


@pytest.fixture(scope="module")
def commands() -> dict[str, str]:
    """The help of each command by its name."""
    parts = re.split(r"^## m5 ([a-z-]+)$", book.commands(program()), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_link_of_the_book_leads_somewhere() -> None:
    assert Path("SUMMARY.md") in book.pages()


def test_every_command_has_examples(commands: dict[str, str]) -> None:
    assert len(commands) > 20
    lacking = [name for name, said in commands.items() if f"Examples:\n  m5 {name}" not in said]
    assert not lacking


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_a_readme_names_every_command_and_is_short(name: str, commands: dict[str, str]) -> None:
    text = (ROOT / name).read_text()
    assert len(text.splitlines()) <= 150
    assert not [command for command in commands if f"`m5 {command}" not in text]


def test_man_pages_and_completions_have_every_command(commands: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([program(), "manual", str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    pages = {page.name for page in tmp_path.rglob("*.1")}
    assert {f"m5-{command}.1" for command in commands} <= pages, pages
    completions = [p.read_text() for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".1"]
    assert len(completions) >= 3
    for text in completions:
        assert not [command for command in commands if command not in text]
