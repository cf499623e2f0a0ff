"""What was measured beside real data and earlier releases: distances, copies, privacy, repeats.

In: the scores of `busgen.evaluation.stage`. Out: `Kind`s of `Measured` scores, `Repeats`; None
where nothing was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from busgen.report import words

KINDS = {  # in the order of the page: title, what it says
    "kid": ("Kernel distance", "how far the set is from held-out pictures"),
    "mmd": ("Maximum mean discrepancy", "the same, by a Gaussian kernel"),
    "frechet": ("Fréchet distance", "of means and covariances"),
    "fid": ("Fréchet inception distance", "in the feature extractor’s space"),
    "precision": ("Precision", "share that lies among held-out pictures; low is bad"),
    "recall": ("Recall", "share of held-out pictures that lies among these; low is bad"),
    "density": ("Density", "how many held-out pictures lie around each; low is bad"),
    "coverage": ("Coverage", "share of held-out pictures with one of these beside; low is bad"),
    "vendi": ("Vendi score", "as diverse as so many unlike pictures; low is bad"),
    "copies": ("Copies", "nearer to a training patient’s than 99 % of held-out pictures"),
    "privacy_ratio": (
        "Nearest training over nearest held-out",
        "median of both distances’ ratio, 1 where nothing is remembered; low is bad",
    ),
    "privacy_nearer": ("Nearer to training", "share nearer to a training than a held-out picture"),
    "privacy_inauthentic": (
        "Inauthentic",
        "share nearer to a training picture than that one’s nearest of another patient",
    ),
    "privacy_same_patient": (
        "Same patient",
        "share nearer to a training picture than 95 % of pairs of one patient’s",
    ),
}
SPACES = {
    "us64": "learned features",
    "radiomic": "measurements",
    "masks": "outlines",
    "": "pictures",
}

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """One score in one space; `floor` and `limit` are of real pictures against real ones."""

    space: str
    value: float
    low: float
    high: float
    n: int
    floor: float
    limit: float
    beyond: bool


@dataclass(frozen=True)
class Kind:
    """One kind of score: title, what it says, its scores."""

    title: str
    about: str
    scores: tuple[Measured, ...]


@dataclass(frozen=True)
class Beside:
    """All kinds; what could not be scored and why, and what a reader should know."""

    kinds: tuple[Kind, ...]
    remarks: tuple[str, ...]

    @property
    def scores(self) -> tuple[Measured, ...]:
        """Every score of every kind."""
        return tuple(one for kind in self.kinds for one in kind.scores)


@dataclass(frozen=True)
class Earlier:
    """One earlier release of `n` pictures, and how many of these it holds too."""

    n: int
    identical: int
    same_hash: int
    near: int
    looked_at: int


@dataclass(frozen=True)
class Repeats:
    """The share of pictures that nearly repeat one of any earlier release, and each of these."""

    value: float
    low: float
    high: float
    n: int
    earlier: tuple[Earlier, ...]


def make_beside(scores: Record) -> Beside | None:
    """Return what was measured beside real data, None where none was given."""
    record = scores.get("beside_real")
    if record is None:
        return None
    found: dict[str, list[Measured]] = {}
    named = sorted(((*kind_of(name), score) for name, score in record["scores"].items()), key=_rank)
    for kind, space, score in named:
        if (kind, space) == ("fid", "") or kind != "fid":  # told twice, by its space's name too
            found.setdefault(kind, []).append(_measured(space, score))
    kinds = tuple(Kind(*title_of(kind), tuple(scores)) for kind, scores in found.items())
    left = [f"{name}: {reason}" for name, reason in record["skipped"].items()]
    return Beside(kinds, (*left, *record["notes"]))


def _rank(named: tuple[str, str, Record]) -> tuple[int, str, int, str]:
    """Return the place of (kind, space, score) on the page; what has no words comes last."""
    kind, space, _ = named
    places = (list(names).index(one) if one in names else len(names)
              for one, names in ((kind, KINDS), (space, SPACES)))  # fmt: skip
    first, second = places
    return first, kind, second, space


def make_repeats(scores: Record) -> Repeats | None:
    """Return how many pictures earlier releases hold too, None where none were named."""
    record = scores.get("repeats")
    if record is None:
        return None
    names = Earlier.__dataclass_fields__
    earlier = tuple(Earlier(**{name: one[name] for name in names}) for one in record["earlier"])
    score = record["score"]
    low, high = score["interval"]
    return Repeats(score["value"], low, high, score["n"], earlier)


def kind_of(name: str) -> tuple[str, str]:
    """Return kind and space of a score, e.g. ``privacy_nearer_us64``; no space is empty."""
    for kind in KINDS:
        if name == kind or name.startswith(f"{kind}_"):
            return kind, name.removeprefix(kind).removeprefix("_")
    return name, ""


def title_of(kind: str) -> tuple[str, str]:
    """Return (title, what it says) of a kind of score."""
    return KINDS.get(kind, (words.plain(kind).capitalize(), ""))


def space_of(name: str) -> str:
    """Return a space in words; a feature extractor's is its name."""
    return SPACES.get(name, name)


def _measured(space: str, score: Record) -> Measured:
    low, high = score["interval"]
    value, limit = score["value"], score["floor_limit"]
    beyond = value > limit if score["bad"] == "high" else value < limit
    told = space_of(space)
    return Measured(told, value, low, high, score["n"], score["floor"], limit, beyond)
