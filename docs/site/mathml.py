"""Equations as MathML, which browsers draw by themselves: no script, no font from elsewhere."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_page_content(text: str, **_: Any) -> str:  # noqa: ANN401 - mkdocs calls it
    """Return the page with each equation converted."""
    return EQUATION.sub(_mathml, text)


def _mathml(found: "re.Match[str]") -> str:
    block = found[2] == "["
    equation = convert(html.unescape(found[3]).strip(), display="block" if block else "inline")
    return f'<div class="equation">{equation}</div>' if block else str(equation)
