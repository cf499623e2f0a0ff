"""Strata of two sets: which images of both are scored together, and which values are left out.

In: two sets (`busgen.image_sets`), columns. Out: names and rows of strata; reasons.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from busgen.image_sets.source import Source
from busgen.stats.ks import MIN_N
from busgen.stats.patients import Rows

ALL = "all"
AGAINST = "scanner"  # made images name devices of their own: all stand against each real one
LEAST = 2 * MIN_N  # real images, which floors halve
SHOWN = 5  # values of a column that a reason names

Stratum = tuple[str, tuple[Rows, Rows]]


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
