"""Templates filled in: pages, whose values are escaped, model cards, and tables in Markdown.

In: a folder of Jinja templates. Out: what fills them; a value that is missing is an error.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import jinja2


def pages_of(folder: Path) -> jinja2.Environment:
    """Return the templates of HTML pages in `folder`."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def card_of(folder: Path) -> jinja2.Template:
    """Return the template of a model card in Markdown, ``card.md`` in `folder`."""
    text = (folder / "card.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(text)


def to_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, of cells that hold no bar."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tell_changes(
    own: Collection[str], shipped: Collection[str], rows: Sequence[tuple[str, str, str]]
) -> str:
    """Return a card's section on the datasets that were left out; empty if none was.

    `own`, `shipped`: datasets that the model, and that the one that ships, learned from; `rows`:
    what is compared, of the one that ships, of this one.
    """
    lost = [name for name in shipped if name not in own]
    if not lost:
        return ""
    lines = [
        f"## Without {', '.join(lost)}",
        "",
        f"The model that ships learned from {', '.join(shipped)}; this one from {', '.join(own)}.",
        "",
        "| what | ships | this one |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n\n"
