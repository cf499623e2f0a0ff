"""Model cards of the judges, written from what was measured.

In: the record of `scores.json`. Out: Markdown, one card a judge.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from busgen.templates import card_of


def write_card(record: Mapping[str, Any]) -> dict[str, str]:
    """Return file name -> Markdown; data sets that were not learned from are marked *."""
    card = card_of(Path(__file__).parent)
    scored = [("", record["test"]), *((" *", scores) for scores in record["other"].values())]
    judges = ("segmenter", "classifier")
    return {f"{judge}.md": card.render(record, judge=judge, scored=scored) for judge in judges}
