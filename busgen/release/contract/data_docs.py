"""Great Expectations' data docs of an index, as one page that needs no network.

In: a `Report` of `busgen.release.contract.expectations`. Out: the page that Great Expectations
renders of its own validation result, a section a column, without clock time and what it would load
from elsewhere.
"""

import os
import re

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
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #525b66; --line: #d9dde2; --paper: #fff;
  --good: #00755a; --bad: #a01c1c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #a3adb8; --line: #3a424b; --paper: #14181d; --good: #4cc9a4;
    --bad: #ff8f8f; }
}
body { margin: 0; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
.notice { padding: .5rem; text-align: center; font-weight: 700; color: #fff; background: #8a1c1c; }
.container, .container-fluid { max-width: 62rem; margin: 0 auto; padding: 0 1.2rem; }
.navbar, .col-lg-2, .collapse:not(.show), .cooltip .top, .container > .row > .col-lg-3 {
  display: none; }
ul, ol { padding-left: 1.2rem; }
h1, h2, h3, h4, h5 { line-height: 1.3; margin: 1.4rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
td, th { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td:first-child:nth-last-child(n+3), th:first-child:nth-last-child(n+3) { width: 7rem; }
.ge-section { border-top: 2px solid var(--line); }
.alert { color: var(--soft); }
.success { color: var(--good); font-weight: 400; } .danger { color: var(--bad); }
"""


def to_html(report: Report) -> str:
    """Return the page; what broke an expectation is counted as its observed value."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(report.outcome)
    document.sections = document.sections[:-1]  # when and on which machine it ran
    return _offline(DefaultJinjaPageView().render(document))


def _offline(page: str) -> str:
    """Return the page with a style of ours in the place of all that it would load."""
    for pattern in _REMOTE:
        page = re.sub(pattern, "", page, flags=re.S)
    page = re.sub(_ICON, lambda icon: f'<b class="{icon[1]}">{_MARKS[icon[1]]}</b>', page)
    head = f'<title>{_TITLE}</title><style>{STYLE}</style><link rel="icon" href="data:,">'
    page = page.replace("</head>", f"{head}</head>")
    page = page.replace("<html>", '<html lang="en">', 1)
    top = f'<div class="notice" role="note">{NOT_FOR_CLINICAL_USE}</div>'
    top += f'<header class="container"><h1>{_TITLE}</h1><p>{_INTRO}</p></header>'
    return re.sub(r"<body\b[^>]*>", lambda found: found[0] + top, page, count=1)
