"""How two sets are to be scored, and whether they can be.

In: paths, options. Out: two `Source`s, or a `UserError` before anything is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from busgen.errors import UserError
from busgen.image_sets.open import CANONICAL, HELD_OUT, open_set
from busgen.image_sets.parquet import ImageColumns
from busgen.image_sets.source import Source
from busgen.metrics.two_sample import Recipe
from busgen.stats.bootstrap import DRAWS
from busgen.stats.ks import MIN_N

LEAST_PX, MOST_PX = 32, 4096  # sides of images


@dataclass(frozen=True)
class Options:
    """How to score: `by` columns whose values are strata, `group` that of what images stem from.

    `most` images of the first set, twice as many of the second, which floors halve, chosen at
    random, groups whole; `two_sample` whether a classifier is trained too; `image_columns` columns
    of images.
    """

    by: tuple[str, ...] = ()
    group: str | None = None
    most: int = 1000
    size_px: int = 256
    draws: int = DRAWS
    two_sample: bool = False
    image_columns: ImageColumns = field(default_factory=ImageColumns)

    def count(self, sets: tuple[Source, Source]) -> int:
        """Return how many images are examined."""
        return sum(min(len(source), k * self.most) for k, source in enumerate(sets, 1))


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
    a, b = (open_set(path, request.image_columns) for path in paths)
    known = {*a.images, *b.images}
    for name in (request.image_columns.image, request.image_columns.mask):
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
            known = ", ".join(sorted({key for row in source.rows for key in row})) or "none"
            rule = f"{name} must be a column of both sets"
            raise UserError(rule, f"{source.path} with {known}", "name a column of both")
    if request.group is not None and not any(source.has(request.group) for source in sets):
        rule = f"{request.group} must be a column of one of the sets"
        raise UserError(rule, "none", "leave out --group: each image then stands alone")
    for source, least in zip(sets, (MIN_N, 2 * MIN_N), strict=True):
        if len(source) < least:
            rule = f"{source.path} must hold {least} images or more: fewer say nothing"
            raise UserError(rule, len(source), "give more images")
