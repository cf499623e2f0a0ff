"""From values to a page: the templates of this folder, filled in; every value is escaped.

In: the name of a template and its values. Out: HTML that needs no network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from busgen import NOT_FOR_CLINICAL_USE
from busgen.report import words
from busgen.templates import pages_of

HERE = Path(__file__).parent


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the page."""
    environment = pages_of(HERE)
    environment.filters |= {
        "number": words.format_number,
        "percent": words.format_percent,
        "term": words.name_term,
        "field": words.name_field,
    }
    style = (HERE / "style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        values, banner=NOT_FOR_CLINICAL_USE, style=style, words=words
    )
