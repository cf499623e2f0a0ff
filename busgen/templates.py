"""Templates filled in: pages, whose values are escaped, and model cards.

In: a folder of Jinja templates. Out: what fills them; a value that is missing is an error.
"""

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
