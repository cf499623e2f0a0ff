"""The scores of a reader study, from answers and key.

In: `Answers`, `Key`. Out: one record, ready for ``scores.json``.
"""

from collections.abc import Sequence

import numpy as np

from busgen.reader_study.agreement import score_descriptors, score_readers, score_requests
from busgen.reader_study.records import CALLED_SYNTHETIC, Answers, Key, Record
from busgen.stats.mrmc import (
    CHANCE,
    Figure,
    Parts,
    Ratings,
    pool,
    score_reader,
    split_auc,
    split_shares,
)
from busgen.stats.patients import Floats


def collect_ratings(answers: Sequence[Answers], key: Key) -> Ratings:
    """Return all ratings, readers in rows, images in the order of their ids."""

    def pick(kind: str) -> Floats:
        names = key.ids(kind)
        return np.array([[one.images[n]["rating"] for n in names] for one in answers], float)

    return Ratings(pick("synthetic"), pick("real"))


def score(answers: Sequence[Answers], key: Key) -> Record:
    """Return everything that is measured: by reader, pooled, agreement, by descriptor, in words.

    Every figure has `value`, `n` images and the 95 % `interval`; those of AUCs also `p`, of the
    reader guessing. With one reader nothing is pooled (null).
    """
    ratings = collect_ratings(answers, key)
    parts = {"auc": split_auc(ratings)} | split_shares(ratings, CALLED_SYNTHETIC)
    readers = [one.reader for one in answers]
    all_together = {name: pool(name, part) for name, part in parts.items()}
    both = np.concatenate([ratings.synthetic, ratings.real], axis=1)
    return {
        "study": key.study,
        "n_real": ratings.real.shape[1],
        "n_synthetic": ratings.synthetic.shape[1],
        "readers": [_reader(one, k, parts, key) for k, one in enumerate(answers)],
        "pooled": {name: one and _to_record(one) for name, one in all_together.items()},
        "agreement": score_readers(readers, both),
        "called_synthetic": score_descriptors(answers, key),
        "said_as_asked": score_requests(answers, key),
        "verdict": verdict(
            all_together["auc"] or score_reader("auc", parts["auc"], 0), len(readers)
        ),
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
    turned = f", but {take} synthetic images for real" if high < CHANCE else ""
    return f"{who[0].upper()}{who[1:]} {tell} them apart{turned} {figures}."


def _reader(one: Answers, place: int, parts: dict[str, Parts], key: Key) -> Record:
    """Return the scores of one reader, and the median seconds that images were in view."""
    figures = {name: _to_record(score_reader(name, part, place)) for name, part in parts.items()}

    def measure(names: Sequence[str]) -> float:
        return round(float(np.median([one.images[name]["ms"] for name in names])) / 1000, 2)

    kinds = {kind: measure(key.ids(kind)) for kind in ("real", "synthetic")}
    seconds = {"median": measure(list(key.images)), **kinds}
    return {"reader": one.reader, **figures, "seconds": seconds}


def _to_record(figure: Figure) -> Record:
    record: Record = {
        "value": round(figure.value, 4),
        "n": figure.n,
        "interval": [round(end, 4) for end in figure.interval],
    }
    return record if figure.p is None else record | {"p": float(f"{figure.p:.3g}")}
