"""One question and its answer, and how a share's interval is written.

In: what was counted. Out: an `Answer`.
"""

from dataclasses import dataclass

from busgen.report import words
from busgen.stats.proportions import wilson_interval

YES, PARTLY, NO, UNKNOWN = "yes", "partly", "no", "not known"


@dataclass(frozen=True)
class Answer:
    """One question and its answer; `interval` (95 %) and `floor` in the words of the page.

    `floor` is what real images show; empty where none is meant.
    """

    name: str
    question: str
    answer: str
    why: str
    n: str = ""
    interval: str = ""
    floor: str = ""


def format_share(count: int, total: int) -> str:
    """Return the 95 % interval of a share in words."""
    low, high = wilson_interval(count, total)
    return format_interval(low, high)


def format_interval(low: float, high: float) -> str:
    """Return an interval of shares in words."""
    return f"{words.format_percent(low)} to {words.format_percent(high)}"
