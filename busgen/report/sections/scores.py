"""What was measured beside real data and earlier releases: distances, copies, privacy, repeats.

In: the scores of `busgen.evaluation.stage`. Out: `Group`s of `Score` scores, `Comparison`; None
where nothing was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from busgen.report import words

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """One score in one space; `floor` and `limit` are of real images against real ones."""

    space: str
    value: float
    low: float
    high: float
    n: int
    floor: float
    limit: float
    beyond: bool


@dataclass(frozen=True)
class Group:
    """One kind of score: title, what it says, its scores."""

    title: str
    about: str
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Section:
    """All kinds; what could not be scored and why, and what a reader should know."""

    kinds: tuple[Group, ...]
    remarks: tuple[str, ...]

    @property
    def scores(self) -> tuple[Score, ...]:
        """Every score of every kind."""
        return tuple(one for kind in self.kinds for one in kind.scores)


@dataclass(frozen=True)
class Previous:
    """One earlier release of `n` images, and how many of these it holds too."""

    n: int
    identical: int
    same_hash: int
    near: int
    looked_at: int


@dataclass(frozen=True)
class Comparison:
    """The share of images that nearly repeat one of any earlier release, and each of these."""

    value: float
    low: float
    high: float
    n: int
    earlier: tuple[Previous, ...]


def make_section(scores: Record) -> Section | None:
    """Return what was measured beside real data, None where none was given."""
    record = scores.get("beside_real")
    if record is None:
        return None
    found: dict[str, list[Score]] = {}
    for name in sorted(record["scores"], key=_rank):
        kind, space = parse_name(name)
        if kind != "fid" or not space:  # recorded twice, by its space's name too
            found.setdefault(kind, []).append(_measure(space, record["scores"][name]))
    kinds = tuple(Group(*name_kind(kind), tuple(scores)) for kind, scores in found.items())
    left = [f"{name}: {reason}" for name, reason in record["skipped"].items()]
    return Section(kinds, (*left, *record["notes"]))


def _rank(name: str) -> tuple[int, str, int, str]:
    """Return the place of a score on the page; a kind or a space that has no words comes last."""
    kind, space = parse_name(name)
    first, second = (
        [*names, one].index(one) for one, names in ((kind, words.SCORES), (space, words.SPACES))
    )
    return first, kind, second, space


def compare(scores: Record) -> Comparison | None:
    """Return how many images earlier releases hold too, None where none were named."""
    record = scores.get("repeats")
    if record is None:
        return None
    names, score = Previous.__dataclass_fields__, record["score"]
    earlier = tuple(Previous(**{name: one[name] for name in names}) for one in record["earlier"])
    low, high = score["interval"]
    return Comparison(score["value"], low, high, score["n"], earlier)


def parse_name(name: str) -> tuple[str, str]:
    """Return kind and space of a score, e.g. ``privacy_nearer_us64``; no space is empty."""
    for kind in words.SCORES:
        if name == kind or name.startswith(f"{kind}_"):
            return kind, name.removeprefix(kind).removeprefix("_")
    return name, ""


def name_kind(kind: str) -> tuple[str, str]:
    """Return (title, what it says) of a kind of score."""
    return words.SCORES.get(kind, (words.to_words(kind).capitalize(), ""))


def _measure(space: str, score: Record) -> Score:
    value, limit, (low, high) = score["value"], score["floor_limit"], score["interval"]
    beyond = value > limit if score["bad"] == "high" else value < limit
    return Score(
        words.SPACES.get(space, space), value, low, high, score["n"], score["floor"], limit, beyond
    )
