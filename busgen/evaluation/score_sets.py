"""`busgen score`: one set of images compared with another, in every feature space asked for.

In: two sets (`busgen.image_sets`), the second real images of held-out patients. Out: a record
for JSON: scores by stratum, each with value, n, interval, floor and the version of its space; what
could not be scored, and why; what a reader should know. What cannot be scored is a `UserError`
before anything is computed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from busgen.arrays import Floats, Names
from busgen.compute.cores import on_all_cores
from busgen.compute.devices import torch_threads
from busgen.errors import UserError
from busgen.image_sets.open import CANONICAL, HELD_OUT, open_set
from busgen.image_sets.source import Reading, Source, Squares, read_squares
from busgen.io import sha256_bytes
from busgen.metrics.paired_two_sample import two_sample
from busgen.metrics.space_scores import ALL, SEED, score_space, skipped_strata, strata
from busgen.metrics.spaces.registry import FeatureSpace, load_spaces
from busgen.metrics.two_sample import Recipe
from busgen.seeds import rng
from busgen.stats.bootstrap import DRAWS, Sample
from busgen.stats.ks import MIN_N
from busgen.stats.patients import draw_groups, number_groups

LEAST_PX, MOST_PX = 32, 4096  # sides of images
CORES = os.cpu_count() or 1
ABOUT = (
    "n images of a against n of b; floor: the same score of b against b, n and n images of "
    "other patients, the mean, floor_limit its 97.5 % quantile (2.5 % where low is bad); interval: "
    "95 % bootstrap, by patient"
)

OnProgress = Callable[[int], None]
Spaces = Sequence[FeatureSpace]


@dataclass(frozen=True)
class Options:
    """How to score: `by` columns whose values are strata, `group` that of what images stem from.

    `most` images of the first set, twice as many of the second, which floors halve, chosen at
    random, groups whole; `two_sample` whether a classifier is trained too; `reading` columns
    of images; `allow_code` whether a feature space may be a program.
    """

    by: tuple[str, ...] = ()
    group: str | None = None
    most: int = 1000
    size_px: int = 256
    draws: int = DRAWS
    two_sample: bool = False
    reading: Reading = field(default_factory=Reading)
    allow_code: bool = False

    def count(self, sets: tuple[Source, Source]) -> int:
        """Return how many images are examined."""
        return sum(min(len(source), k * self.most) for k, source in enumerate(sets, 1))


class Side(NamedTuple):
    """One set examined: `points` (N, D) of each space, `groups` (N,), the images' usual side.

    `digests` (N,) are of the images' pixels as they are seen.
    """

    source: Source
    points: tuple[Floats, ...]
    groups: Names
    side_px: float
    digests: tuple[str, ...]

    def to_record(self) -> dict[str, Any]:
        """Return where it lies, its size and form."""
        n, groups = len(self.source), len(np.unique(self.groups))
        origin = {"path": str(self.source.path), "form": self.source.form}
        return {**origin, "n": n, "groups": groups, "side_px": self.side_px}


def score(
    images: str | Path,
    against: str | Path,
    *,
    spaces: Sequence[str] | None = None,
    options: Options | None = None,
) -> dict[str, Any]:
    """Return the scores of a set of images against real ones of held-out patients.

    Each is a folder, a Parquet file, a dataset on disk or a release. `spaces`: names or extractors'
    paths, by default `us64` and `radiomic`. Raises as `open_sets`, `load_spaces` and `score_sets`,
    whose record this is.
    """
    request = options or Options()
    sets = open_sets((Path(images), Path(against)), (None, None), request)
    embedded = load_spaces(spaces, allow_code=request.allow_code)
    return score_sets(sets, embedded, request, lambda _: None)


def open_sets(
    paths: tuple[Path, Path],
    splits: tuple[Sequence[str] | None, Sequence[str] | None],
    request: Options,
) -> tuple[Source, Source]:
    """Return the sets at two paths, of some splits each, if they can be scored as asked.

    Of real data in canonical form the second set is held-out patients, unless asked otherwise.
    Raises `UserError` if there are none, they are too small or lack a column, or a number is out of
    range.
    """
    own = request.reading
    plain = replace(own, images=None, masks=None, label=None)  # patterns are the first set's
    a, b = (open_set(path, how) for path, how in zip(paths, (own, plain), strict=True))
    known = {*a.images, *b.images}
    for name in (request.reading.image, request.reading.mask):
        if name is not None and name not in known:
            rule = f"{name} must be a column of images (bytes, or bytes and path) of one set"
            got = ", ".join(sorted(known)) or "no table"
            raise UserError(rule, got, "name another, or leave it out")
    held_out = HELD_OUT if b.form == CANONICAL else None
    a, b = (s.select(n) if n else s for s, n in ((a, splits[0]), (b, splits[1] or held_out)))
    check((a, b), request)
    return a, b


def check(sets: tuple[Source, Source], request: Options) -> None:
    """Raise `UserError` if a column is missing, images are too few, or a number is not usable."""
    if not (request.most >= MIN_N and LEAST_PX <= request.size_px <= MOST_PX):
        rule = f"most must be {MIN_N} or more, size in [{LEAST_PX}, {MOST_PX}]"
        raise UserError(rule, f"{request.most}, {request.size_px}", "give e.g. 1000, 256")
    if request.two_sample and request.size_px < Recipe.patch_px:
        rule = f"a two-sample test needs a size of {Recipe.patch_px} px or more"
        raise UserError(rule, request.size_px, "give a larger --size, or leave it out")
    for name, source in ((name, source) for name in request.by for source in sets):
        if not source.has(name):
            shared = ", ".join(sorted(sets[0].columns & sets[1].columns)) or "none"
            got = f"{source.path} with {', '.join(sorted(source.columns)) or 'none'}"
            raise UserError(f"{name} must be a column of both sets", got, f"both have: {shared}")
    if request.group is not None and not any(source.has(request.group) for source in sets):
        rule = f"{request.group} must be a column of one of the sets"
        got = ", ".join(sorted(sets[0].columns | sets[1].columns)) or "no column"
        raise UserError(rule, got, "name one, or leave out --group: each image then stands alone")
    for source, least in zip(sets, (MIN_N, 2 * MIN_N), strict=True):
        if len(source) < least:
            rule = f"{source.path} must hold {least} images or more: fewer say nothing"
            raise UserError(rule, len(source), "give more images")


def score_sets(
    sets: tuple[Source, Source], spaces: Spaces, request: Options, tick: OnProgress
) -> dict[str, Any]:
    """Return the scores of images against real ones.

    `sets` are images in question, and real ones of held-out patients; `tick` is called with the
    number of images embedded since its last call. Raises `UserError` if a space does not take the
    images, or nothing can be scored, `DataError` if an image is damaged.

    The record holds ``about``; ``a`` and ``b`` (path, form, n, groups, side_px); ``spaces`` {name:
    sha256, dimensions}; ``scores`` {stratum: {name: {value, n, interval, floor, floor_limit, bad,
    space, version}}}; ``skipped`` {stratum or column: {name: reason}}; ``notes``.
    """
    a, b = (
        embed(subsample(source, request.group, k * request.most), spaces, request, tick)
        for k, source in enumerate(sets, 1)
    )
    scores: dict[str, dict[str, Any]] = {}
    skipped = skipped_strata(a.source, b.source, request.by)
    notes = _notes(a, b, request)
    for name, rows in strata(a.source, b.source, request.by):
        for k, space in enumerate(spaces):
            first, second = (
                Sample(side.points[k][own], side.groups[own])
                for side, own in zip((a, b), rows, strict=True)
            )
            found = score_space(space, (first, second), request.draws)
            scores.setdefault(name, {}).update(found.scores)
            skipped.setdefault(name, {}).update(found.skipped)
            notes += [f"{name}: {note}" for note in found.notes]
    if request.two_sample:
        pair = (a.source, b.source), (a.groups, b.groups)
        try:
            judged, remarks = two_sample(*pair, request.by, request.size_px)
            scores[ALL].update(judged)
            notes += remarks
        except UserError as error:
            skipped[ALL]["two_sample"] = str(error)
    if not scores[ALL]:
        got = "; ".join(f"{name}: {reason}" for name, reason in skipped[ALL].items())
        raise UserError("the sets must have a score", got, "give more images, of more patients")
    return {
        "about": ABOUT,
        **{name: side.to_record() for name, side in (("a", a), ("b", b))},
        "spaces": {
            s.name: {"sha256": s.sha256, "dimensions": points.shape[1]}
            for s, points in zip(spaces, a.points, strict=True)
        },
        "scores": {name: found for name, found in scores.items() if found},
        "skipped": {name: reasons for name, reasons in skipped.items() if reasons},
        "notes": notes,
    }


def embed(source: Source, spaces: Spaces, request: Options, tick: OnProgress) -> Side:
    """Return a set in all spaces, as many chunks at once as cores: numbers do not depend on it."""
    left = read_squares(source, range(len(source)), request.size_px)
    parts, sides, digests = [], [], []

    def load(part: Squares) -> list[Floats]:
        return [space.embed(part.images, part.masks) for space in spaces]

    with torch_threads(), on_all_cores() as pool:  # a thread a chunk, not many a sum
        while few := list(islice(left, CORES)):
            for part, found in zip(few, pool.map(load, few), strict=True):
                parts.append(found)
                sides.append(part.sides_px)
                digests += [sha256_bytes(image.tobytes()) for image in part.images]
                tick(len(part.images))
    points = tuple(np.concatenate(few) for few in zip(*parts, strict=True))
    side_px = float(np.median(np.concatenate(sides)))
    return Side(source, points, source.groups(request.group), side_px, tuple(digests))


def subsample(source: Source, group: str | None, most: int) -> Source:
    """Return at most `most` images, groups drawn at random and whole, always the same ones."""
    if len(source) <= most:
        return source
    rows, _ = draw_groups(number_groups(source.groups(group)), most, rng(SEED, "score/rows"))
    return source.pick(sorted(rows.tolist()))


def _notes(a: Side, b: Side, request: Options) -> list[str]:
    """Return what a reader should know of the two sets."""
    shared = len(np.intersect1d(a.groups, b.groups)) if b.source.group or request.group else 0
    copies = int(np.isin(a.digests, b.digests).sum())
    training = int((b.source.values("split") == "train").sum())
    phrases = {
        f"{shared} patients are in both sets: their images look alike for that alone": shared,
        f"{copies} images of the first set are in the second too, pixel by pixel: scores then "
        "say how well they were copied": copies,
        f"{training} images of the second set are of its training split: models may have learned "
        f"from them; held-out patients alone are a test (--split {HELD_OUT[0]} --split "
        f"{HELD_OUT[1]})": training,
    }
    enlarged = [
        f"images in {side.source.path} are enlarged from {side.side_px:.0f} to {request.size_px} "
        "px, which blurs: a smaller --size compares both alike"
        for side in (a, b)
        if side.side_px < request.size_px
    ]
    return [words for words, count in phrases.items() if count] + enlarged
