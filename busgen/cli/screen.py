"""What the command line shows: remarks, progress, tables, summaries.

In: records. Out: words on the screen; remarks and progress on the error stream.
"""

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from busgen.errors import UserError, to_printable
from busgen.progress import VERBOSITY


class _Screen(Console):
    """A console that shows the escapes in a text, and obeys its own alone."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for one in super().render(renderable, options):
            yield one if one.control else one._replace(text=to_printable(one.text))


out = _Screen()
err = _Screen(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[Path, typer.Option("--out", help="Folder to write.")]
RealFolder = Annotated[Path, typer.Argument(help="What `busgen real ... --out` wrote.")]
RealOption = Annotated[Path, typer.Option("--real", help="What `busgen real ... --out` wrote.")]
RecordFile = Annotated[Path | None, typer.Option("--out", help="JSON file to write.")]
ParamsFile = Annotated[Path | None, typer.Option(help="Parameters, as params.yaml.")]


def to_words(words: str) -> None:
    """Print a remark for the person at the screen."""
    if VERBOSITY.get() >= 0:
        err.print(escape(words), style="dim", soft_wrap=True)


def print_record(record: Any, as_json: bool, show: Callable[[Any], None]) -> None:  # noqa: ANN401
    """Print a record as JSON, or as `show` does."""
    if as_json:
        out.print_json(json.dumps(record, default=str))
    else:
        show(record)


def write_pages(checkout: Path, pages: Mapping[Path, str], command: str, *, write: bool) -> None:
    """Write the generated pages that differ and print their paths, or raise `UserError`."""
    for path, text in pages.items():
        target = checkout / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        if not write:
            rule = "a generated page must be up to date"
            raise UserError(rule, f"{path} differs", f"run `{command} --write`")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        out.print(f"written  {path}", soft_wrap=True)


@contextmanager
def resumable() -> Iterator[None]:
    """Say that the same command goes on, where the user stops what is inside.

    The signal is remembered: native code that it interrupts may raise an error of its own instead.
    """
    stopped = False

    def refuse(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        signal.default_int_handler(number, None)

    before = signal.signal(signal.SIGINT, refuse)
    try:
        yield
    except BaseException:
        if not stopped:
            raise
        to_words("stopped; the same command goes on from here")
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


def print_rows(rows: Iterable[Mapping[str, Any]], sentence: str = "") -> None:
    """Print records as a table, "-" where a record lacks a key; `sentence` says what they come to.

    Where the screen is too narrow for the words of a table, each record is a paragraph.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_to_cell(row.get(column, "-")) for column in columns] for row in rows]
    if widths := _fit(columns, cells):
        table = Table()
        for column, width in zip(columns, widths, strict=True):
            table.add_column(escape(column), width=width, overflow="fold")
        for own in cells:
            table.add_row(*map(escape, own))
        out.print(table)
    else:
        longest = max(map(len, columns), default=0)
        for row in rows:
            for name, value in row.items():
                out.print(f"{escape(name):{longest}}  {escape(_to_cell(value))}", soft_wrap=True)
            out.print()
    if sentence:
        out.print(escape(sentence), soft_wrap=True)


def _fit(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int] | None:
    """Return the width of each column, so that no word is cut; None if the screen is too narrow."""
    texts = [[to_printable(t) for t in column] for column in zip(columns, *cells, strict=True)]
    full = [max(map(cell_len, column)) for column in texts]
    least = [max(cell_len(word) for text in column for word in text.split() or [""])
             for column in texts]  # fmt: skip
    left = out.width - 3 * len(columns) - 1 - sum(least)  # borders and their spaces
    if left < 0:
        return None
    for k in sorted(range(len(columns)), key=lambda k: full[k] - least[k]):
        wanted = min(full[k] - least[k], left)  # columns that lack little come first
        least[k], left = least[k] + wanted, left - wanted
    return least


def _to_cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
