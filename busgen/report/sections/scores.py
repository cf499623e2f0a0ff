"""What was measured beside real data and earlier releases: distances, copies, privacy, repeats.

In: the scores of `busgen.evaluation.stage`. Out: a `Section`; None where nothing was measured.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from busgen.report import words

Record = Mapping[str, Any]


class Section(NamedTuple):
    """All kinds; what could not be scored and why, and what a reader should know.

    `kinds`: title, what it says, its scores as recorded, with the `space` in words and whether they
    are `beyond` what real images show.
    """

    kinds: tuple[tuple[str, str, tuple[Record, ...]], ...]
    remarks: tuple[str, ...]

    @property
    def scores(self) -> tuple[Record, ...]:
        """Every score of every kind."""
        return tuple(one for *_, scores in self.kinds for one in scores)


def make_section(scores: Record) -> Section | None:
    """Return what was measured beside real data, None where none was given."""
    record = scores.get("beside_real")
    if record is None:
        return None
    found: dict[str, list[Record]] = {}
    for name in sorted(record["scores"], key=_rank):
        kind, space = words.parse_score(name)
        if kind != "fid" or not space:  # recorded twice, by its space's name too
            found.setdefault(kind, []).append(_measure(space, record["scores"][name]))
    kinds = tuple((*name_kind(kind), tuple(scores)) for kind, scores in found.items())
    left = [f"{name}: {reason}" for name, reason in record["skipped"].items()]
    return Section(kinds, (*left, *record["notes"]))


def _rank(name: str) -> tuple[int, str, int, str]:
    """Return the place of a score on the page; a kind or a space that has no words comes last."""
    kind, space = words.parse_score(name)
    first, second = (
        [*names, one].index(one) for one, names in ((kind, words.SCORES), (space, words.SPACES))
    )
    return first, kind, second, space


def name_kind(kind: str) -> tuple[str, str]:
    """Return (title, what it says) of a kind of score."""
    return words.SCORES.get(kind, (words.to_words(kind).capitalize(), ""))


def _measure(space: str, score: Record) -> Record:
    value, limit = score["value"], score["floor_limit"]
    beyond = value > limit if score["bad"] == "high" else value < limit
    return {**score, "space": words.SPACES.get(space, space), "beyond": beyond}
