"""Great Expectations' data docs of an index, as one page that needs no network.

In: a `Report` of `busgen.release.contract.expectations`. Out: the page that Great Expectations
renders of its own validation result, a section a column, without clock time and what it would load
from elsewhere.
"""

import os
import re
from pathlib import Path

from busgen import NOT_FOR_CLINICAL_USE
from busgen.release.contract.expectations import Report

# what asks for the network, or works by what was asked for: styles, scripts, logo, newsletter
_REMOTE = (
    r"<link\b[^>]*>",
    r"<style\b.*?</style>",
    r"<script\b.*?</script>",
    r"<img\b[^>]*>",
    r"<footer>.*?</footer>",
    r"</?a\b[^>]*>",
    r"<title>.*?</title>",
    r'\s(?:onclick|data-toggle|data-target)="[^"]*"',
)
_ICON = r'<i\b[^>]*class="[^"]*text-(success|danger)[^"]*"[^>]*>\s*</i>'
_MARKS = {"success": "holds", "danger": "broken"}
_TITLE = "The contract, checked by Great Expectations"
_INTRO = (
    "Each line is one expectation on a column of index.parquet; its observed value is the number "
    "of rows, samples, families or terms that break it. A release that breaks any is not written."
)
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def to_html(report: Report) -> str:
    """Return the page; what broke an expectation is counted as its observed value.

    A style of ours stands in the place of all that the page would load.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(report.outcome)
    document.sections = document.sections[:-1]  # when and on which machine it ran
    page: str = DefaultJinjaPageView().render(document)
    for pattern in _REMOTE:
        page = re.sub(pattern, "", page, flags=re.S)
    page = re.sub(_ICON, lambda icon: f'<b class="{icon[1]}">{_MARKS[icon[1]]}</b>', page)
    head = f'<title>{_TITLE}</title><style>{STYLE}</style><link rel="icon" href="data:,">'
    page = page.replace("</head>", f"{head}</head>")
    page = page.replace("<html>", '<html lang="en">', 1)
    top = f'<div class="notice" role="note">{NOT_FOR_CLINICAL_USE}</div>'
    top += f'<header class="container"><h1>{_TITLE}</h1><p>{_INTRO}</p></header>'
    return re.sub(r"<body\b[^>]*>", lambda found: found[0] + top, page, count=1)
