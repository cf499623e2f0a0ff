"""The scores of a reader study, from answers and key.

In: `Answers`, `Key`. Out: one record, ready for ``scores.json``.
"""

from collections.abc import Sequence

import numpy as np

from busgen.reader_study.agreement import between_readers, by_descriptor, with_asked
from busgen.reader_study.records import CALLED_SYNTHETIC, Answers, Key, Record
from busgen.stats.mrmc import (
    CHANCE,
    Figure,
    Parts,
    Ratings,
    auc_parts,
    of_reader,
    pooled,
    share_parts,
)
from busgen.stats.patients import Floats


def ratings_of(answers: Sequence[Answers], key: Key) -> Ratings:
    """Return all ratings, readers in rows, pictures in the order of their ids."""

    def of(kind: str) -> Floats:
        names = key.ids(kind)
        return np.array([[one.pictures[n]["rating"] for n in names] for one in answers], float)

    return Ratings(of("synthetic"), of("real"))


def score(answers: Sequence[Answers], key: Key) -> Record:
    """Return everything that is measured: by reader, pooled, agreement, by descriptor, in words.

    Every figure has `value`, `n` pictures and the 95 % `interval`; those of AUCs also `p`, of the
    reader guessing. With one reader nothing is pooled (null).
    """
    ratings = ratings_of(answers, key)
    parts = {"auc": auc_parts(ratings)} | share_parts(ratings, CALLED_SYNTHETIC)
    readers = [one.reader for one in answers]
    all_together = {name: pooled(name, part) for name, part in parts.items()}
    both = np.concatenate([ratings.synthetic, ratings.real], axis=1)
    return {
        "study": key.study,
        "n_real": ratings.real.shape[1],
        "n_synthetic": ratings.synthetic.shape[1],
        "readers": [_reader(one, k, parts, key) for k, one in enumerate(answers)],
        "pooled": {name: one and _told(one) for name, one in all_together.items()},
        "agreement": between_readers(readers, both),
        "called_synthetic": by_descriptor(answers, key),
        "said_as_asked": with_asked(answers, key),
        "verdict": verdict(all_together["auc"] or of_reader("auc", parts["auc"], 0), len(readers)),
    }


def verdict(auc: Figure, readers: int) -> str:
    """Return in one sentence whether readers tell synthetic from real."""
    several = readers > 1
    who, tell, take = (
        (f"{readers} readers", "tell", "take") if several else ("the reader", "tells", "takes")
    )
    low, high = auc.interval
    chance = "chance .50" if auc.p is None else f"chance .50, p {auc.p:.2g}"
    figures = f"(AUC {auc.value:.2f}, {low:.2f} to {high:.2f}, {chance})"
    if low <= CHANCE <= high:
        return (
            f"No evidence that {who} {tell} them apart {figures}; that shows no equality: an AUC "
            f"of up to {max(high, 1 - low):.2f} remains possible."
        )
    turned = f", but {take} synthetic pictures for real" if high < CHANCE else ""
    return f"{who[0].upper()}{who[1:]} {tell} them apart{turned} {figures}."


def _reader(one: Answers, place: int, parts: dict[str, Parts], key: Key) -> Record:
    """Return the scores of one reader, and the seconds that a picture took."""
    figures = {name: _told(of_reader(name, part, place)) for name, part in parts.items()}
    return {"reader": one.reader, **figures, "seconds": _seconds(one, key)}


def _seconds(one: Answers, key: Key) -> Record:
    """Return the median seconds that a picture was in view, of all and of each kind."""

    def median(names: Sequence[str]) -> float:
        return round(float(np.median([one.pictures[name]["ms"] for name in names])) / 1000, 2)

    kinds = {kind: median(key.ids(kind)) for kind in ("real", "synthetic")}
    return {"median": median(list(key.pictures)), **kinds}


def _told(figure: Figure) -> Record:
    record: Record = {
        "value": round(figure.value, 4),
        "n": figure.n,
        "interval": [round(end, 4) for end in figure.interval],
    }
    return record if figure.p is None else record | {"p": float(f"{figure.p:.3g}")}
