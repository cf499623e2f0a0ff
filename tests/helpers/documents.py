"""The documents of the checkout: their blocks, and what is left when code and generated text go."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "<!-- Written by "
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
MARKED = re.compile(r"<!-- results: begin -->.*?<!-- results: end -->", re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the words before it."""

    language: str
    text: str
    before: str


def written_by_hand() -> list[Path]:
    """Return README and the pages of docs/ that people write; the log is a record, left out."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if page.parent.name != "log" and not is_generated(page)]


def is_generated(page: Path) -> bool:
    return page.read_text(encoding="utf-8").startswith(GENERATED)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield Block(found[1], found[2], text[: found.start()])


def commands(block: Block) -> list[str]:
    """Return the command lines of a `sh` block, continued lines joined, comments left to shlex."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def prose(page: Path) -> str:
    """Return a page without its blocks, code, equations, links and generated tables."""
    text = MARKED.sub("", page.read_text(encoding="utf-8"))
    for pattern in (r"^```.*?^```$", r"\$\$.*?\$\$", r"\$[^$\n]+\$", r"`[^`\n]+`", r"\]\([^)]*\)"):
        text = re.sub(pattern, "", text, flags=re.M | re.S)
    return text
