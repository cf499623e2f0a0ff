"""Pages that a command writes: written, or compared with what stands in the checkout.

In: the text of each page. Out: files, or an error that names the first that differs.
"""

from collections.abc import Mapping
from pathlib import Path

from busgen.cli.screen import out
from busgen.errors import UserError


def write_pages(checkout: Path, pages: Mapping[Path, str]) -> None:
    """Write the pages that differ, and print their paths."""
    for path, text in pages.items():
        if _standing(checkout / path) != text:
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            (checkout / path).write_text(text, encoding="utf-8")
            out.print(f"written  {path}", soft_wrap=True)


def check_pages(checkout: Path, pages: Mapping[Path, str], remedy: str) -> None:
    """Raise `UserError` if a page is not what the command would write."""
    for path, text in pages.items():
        if _standing(checkout / path) != text:
            raise UserError("a generated page must be up to date", f"{path} differs", remedy)


def _standing(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
