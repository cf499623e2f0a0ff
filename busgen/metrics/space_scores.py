"""All scores of two samples in one feature space, named after it; strata of two sets.

In: a `FeatureSpace`, coordinates of images of both sets. Out: records {value, n, interval, floor,
floor_limit, bad, space, version}, reasons of what cannot be scored, notes. Strata tell which images
of both sets are scored together, and which values are left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from busgen.errors import UserError
from busgen.image_sets.source import Source
from busgen.metrics.distribution import MOST, NAMES, frechet, kid, mmd, overlap, vendi
from busgen.metrics.spaces.registry import FeatureSpace
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample, Score, equal_size
from busgen.stats.ks import MIN_N
from busgen.stats.patients import Rows

ALL = "all"
AGAINST = "scanner"  # made images name devices of their own: all stand against each real one
LEAST = 2 * MIN_N  # real images, which floors halve
SHOWN = 5  # values of a column that a reason names

Stratum = tuple[str, tuple[Rows, Rows]]


SEED = 0  # of what is drawn: the same images give the same numbers
WIDE_DRAWS = 40  # of FID: some thousand dimensions take a while each
PER_DIMENSION = 4  # images: covariances need several a dimension, ...
FEWEST = 2  # ... at the very least
LOW_IS_BAD = (*NAMES, "vendi")

Pair = tuple[Sample, Sample]
Scores = dict[str, Score]


def strata(a: Source, b: Source, by: Sequence[str]) -> Iterator[Stratum]:
    """Yield the names of strata and the images of both sets in each; all of them first.

    A stratum is a value that both sets have in a column. Where the sets have no scanner in common,
    all images of `a` stand against those of each scanner of `b` with `LEAST` or more.
    """
    everything = np.arange(len(a))
    yield ALL, (everything, np.arange(len(b)))
    for column in by:
        own, other = a.values(column), b.values(column)
        both = sorted(_known(a, column) & _known(b, column))
        for value in both:
            rows = np.flatnonzero(own == value), np.flatnonzero(other == value)
            yield f"{column}={value}", rows
        if column == AGAINST and not both:
            for value, those in _of_each(b, column):
                if those.size >= LEAST:
                    yield f"against {column}={value}", (everything, those)


def skipped_strata(a: Source, b: Source, by: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return {stratum or column: {`ALL`: why it is not scored}}, of values that no stratum has."""
    record: dict[str, dict[str, str]] = {}
    for column in by:
        own, other = _known(a, column), _known(b, column)
        if not own & other:
            words = f"no value in both: a has {_join_words(own)}; b has {_join_words(other)}"
            record[column] = {ALL: words}
        elif own ^ other:
            words = f"not in both: a alone has {_join_words(own - other)}"
            record[column] = {ALL: f"{words}; b alone has {_join_words(other - own)}"}
        if column == AGAINST and not own & other:
            record |= {
                f"against {column}={value}": {ALL: f"{rows.size} images of b: below {LEAST}"}
                for value, rows in _of_each(b, column)
                if rows.size < LEAST
            }
    return record


def _known(source: Source, column: str) -> set[str]:
    return {*source.values(column).tolist()} - {""}


def _of_each(source: Source, column: str) -> Iterator[tuple[str, Rows]]:
    """Yield the values of a column and the images that have each."""
    values = source.values(column)
    for value in sorted(_known(source, column)):
        yield value, np.flatnonzero(values == value)


def _join_words(values: Iterable[str]) -> str:
    names = sorted(values)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


@dataclass(frozen=True)
class SpaceScores:
    """Records by name; reasons of what was `skipped`, by name; notes for a reader."""

    scores: Mapping[str, Mapping[str, Any]]
    skipped: Mapping[str, str]
    notes: tuple[str, ...] = ()


def join_scores(parts: Sequence[SpaceScores]) -> SpaceScores:
    """Return the scores of several spaces as one."""
    return SpaceScores(
        {name: score for part in parts for name, score in part.scores.items()},
        {name: reason for part in parts for name, reason in part.skipped.items()},
        tuple(note for part in parts for note in part.notes),
    )


def score_space(space: FeatureSpace, pair: Pair, draws: int) -> SpaceScores:
    """Return the scores of samples in a space.

    `space` what the samples' coordinates are of; `pair` images in question, and real ones of
    held-out patients; coordinates that an image lacks (lesions' of one without) are left out of
    both, and a note says so; `draws` how many each value, interval and floor are taken from.
    """
    try:
        n = equal_size(*pair)
    except UserError as error:
        return SpaceScores({}, {space.name: str(error)})
    if n < MIN_N:
        sizes = " and ".join(str(len(sample)) for sample in pair)
        return SpaceScores({}, {space.name: f"n {n} of {sizes} images: below {MIN_N}"})
    pair, notes = _complete(space, pair)
    if not pair[0].points.shape[1]:
        return SpaceScores({}, {space.name: "no coordinate that all images have"}, notes)
    found: Scores = {}
    skipped: dict[str, str] = {}
    for name, scores in _SCORES.items():
        try:
            found |= scores(space, pair, draws)
        except UserError as error:
            skipped[f"{name}_{space.name}"] = str(error)
    records = {f"{name}_{space.name}": to_record(space, name, one) for name, one in found.items()}
    few = len(pair[0].points[0])
    if space.fid and n <= few:
        notes += (f"fid_{space.name}: n {n} of {few} dimensions, so its floor is mostly bias",)
    return SpaceScores(records, skipped, notes)


def to_record(space: FeatureSpace, name: str, score: Score) -> dict[str, Any]:
    """Return a score for JSON; ``bad`` says which side of the floor's limit is the bad one."""
    bad = "low" if name in LOW_IS_BAD else "high"
    return asdict(score) | {"bad": bad, "space": space.name, "version": space.version}


def _frechet(space: FeatureSpace, pair: Pair, draws: int) -> Scores:
    """Return FID, or the Fréchet distance of as many dimensions as images allow."""
    pick, n, wide = rng(SEED, "score/frechet"), equal_size(*pair), pair[0].points.shape[1]
    if space.fid:
        return {"fid": frechet(*pair, pick, min(draws, WIDE_DRAWS), singular=True)}
    few = min(MOST, n // PER_DIMENSION) if space.ranked else wide
    if n < FEWEST * few:
        rule = f"a Fréchet distance needs {FEWEST} images a dimension"
        raise UserError(rule, f"n {n} for {wide}", "give more images")
    first, second = (Sample(sample.points[:, :few], sample.groups) for sample in pair)
    return {"frechet": frechet(first, second, pick, draws)}


_SCORES: Mapping[str, Callable[[FeatureSpace, Pair, int], Scores]] = {
    "kid": lambda _, pair, draws: {"kid": kid(*pair, rng(SEED, "score/kid"), draws)},
    "mmd": lambda _, pair, draws: {"mmd": mmd(*pair, rng(SEED, "score/mmd"), draws)},
    "frechet": _frechet,
    "overlap": lambda _, pair, draws: overlap(*pair, rng(SEED, "score/overlap"), draws),
    "vendi": lambda _, pair, draws: {"vendi": vendi(*pair, rng(SEED, "score/vendi"), draws)},
}


def _complete(space: FeatureSpace, pair: Pair) -> tuple[Pair, tuple[str, ...]]:
    """Return samples without the coordinates that an image of either lacks, and a note on them."""
    lacking = [~np.isfinite(sample.points) for sample in pair]
    kept = ~np.concatenate(lacking).any(axis=0)
    if kept.all():
        return pair, ()
    counts = " and ".join(str(int(one.any(axis=1).sum())) for one in lacking)
    phrases = f"{space.name}: {int((~kept).sum())} coordinates of lesions left out, which {counts} "
    first, second = (Sample(sample.points[:, kept], sample.groups) for sample in pair)
    return (first, second), (f"{phrases}images of the two sets do not show",)
