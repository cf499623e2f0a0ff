"""The scores of a reader study, from answers and key.

In: `Answers`, `Key`. Out: one record, ready for ``scores.json``: of each reader and all together,
whether they agree with each other and with what was asked for, and which images they tell.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import fleiss_kappa

from busgen.reader_study.records import CALLED_SYNTHETIC, DESCRIBED, KINDS, Answers, Key, Record
from busgen.seeds import rng
from busgen.stats import mrmc
from busgen.stats.mrmc import CHANCE, Figure, Parts, Ratings
from busgen.stats.patients import Floats, interval
from busgen.stats.proportions import wilson_interval


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
    parts = {"auc": mrmc.split_auc(ratings)} | mrmc.split_shares(ratings, CALLED_SYNTHETIC)
    readers = [one.reader for one in answers]
    all_together = {name: mrmc.pool(name, part) for name, part in parts.items()}
    both = np.concatenate([ratings.synthetic, ratings.real], axis=1)
    return {
        "study": key.study,
        "n_real": ratings.real.shape[1],
        "n_synthetic": ratings.synthetic.shape[1],
        "readers": [_reader(one, k, parts, key) for k, one in enumerate(answers)],
        "pooled": {name: one and _to_record(one) for name, one in all_together.items()},
        "agreement": _score_readers(readers, both),
        "called_synthetic": _score_descriptors(answers, key),
        "said_as_asked": _score_requests(answers, key),
        "verdict": verdict(
            all_together["auc"] or mrmc.score_reader("auc", parts["auc"], 0), len(readers)
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
    figures = {
        name: _to_record(mrmc.score_reader(name, part, place)) for name, part in parts.items()
    }

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


FIELDS = ("pathology", *DESCRIBED)


def _score_readers(readers: Sequence[str], ratings: NDArray[np.float64]) -> Record | None:
    """Return Fleiss' kappa of the calls and weighted kappas of the ratings; `None` for one reader.

    `readers` are their codes, `ratings` (J, N) ratings 1 to 6 of the same images.
    """
    if len(readers) < 2:
        return None
    called = (ratings >= CALLED_SYNTHETIC).sum(axis=0)
    counts = np.column_stack([len(readers) - called, called]).astype(np.intp)
    pairs = [
        {"readers": [readers[a], readers[b]], **_kappa(mrmc._kappa_weighted, ratings[[a, b]].T)}
        for a, b in combinations(range(len(readers)), 2)
    ]
    return {"fleiss_kappa_calls": _kappa(fleiss_kappa, counts), "weighted_kappa_ratings": pairs}


def _kappa(score: Callable[[NDArray[Any]], float], rows: NDArray[Any]) -> Record:
    """Return a kappa of rows, one an image, and its bootstrap interval over images."""
    names = np.arange(len(rows)).astype(np.str_)
    with np.errstate(invalid="ignore"):  # all of one category: NaN
        value = float(score(rows))
        if np.isnan(value):
            return {"value": None, "n": len(rows), "interval": None}
        ends = interval(lambda drawn: float(score(rows[drawn])), names, rng(0, "readers/kappa"))
    return {"value": round(value, 4), "n": len(rows), "interval": ends}


def _score_descriptors(answers: Sequence[Answers], key: Key) -> list[Record]:
    """Return the share called synthetic, of real and synthetic images, by term of each field.

    That is the confusion by descriptor: of synthetic images those found out, of real ones those
    suspected. A term is what was asked for or, of real images, what the publisher states.
    """
    found: dict[tuple[str, str, str], list[list[bool]]] = defaultdict(list)
    for name, image in sorted(key.images.items()):
        called = [one.images[name]["rating"] >= CALLED_SYNTHETIC for one in answers]
        record = {"pathology": image["pathology"], **image["said"]}
        for field in FIELDS:
            for term in _terms(record[field]):
                found[image["kind"], field, term].append(called)
    order = sorted(found, key=lambda k: (KINDS.index(k[0]), FIELDS.index(k[1]), k[2]))
    return [
        {"kind": kind, "field": field, "term": term, **share(found[kind, field, term])}
        for kind, field, term in order
    ]


def _score_requests(answers: Sequence[Answers], key: Key) -> list[Record]:
    """Return how often readers said of an image what was asked for or is published, by field.

    `birads_category` counts 4a, 4b and 4c as one. Only images of which both said something.
    """
    found: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for one, (name, image), field in product(answers, key.images.items(), DESCRIBED):
        ours = _terms(one.images[name].get("said", {}).get(field))
        theirs, kind = _terms(image["said"][field]), image["kind"]
        if ours and theirs:
            found[kind, field][name].append(ours == theirs)
            if field == "birads":
                found[kind, "birads_category"][name].append(ours[0][0] == theirs[0][0])
    return [
        {"kind": kind, "field": field, **share(list(found[kind, field].values()))}
        for kind, field in sorted(found)
    ]


def _terms(value: object) -> list[str]:
    """Return the terms of a field, sorted: none, one, or several."""
    if value is None:
        return []
    return sorted(map(str, value)) if isinstance(value, list) else [str(value)]


def share(readings: Sequence[Sequence[bool]]) -> Record:
    """Return the mean over images of each one's share of readings, `n` images.

    Wilson's interval as of one reading an image: readings of one image are no independent
    ones, so this is rather too wide than too narrow.
    """
    value, n = float(np.mean([np.mean(one) for one in readings])), len(readings)
    ends = wilson_interval(value * n, n)
    return {
        "value": round(value, 4),
        "n": n,
        "readings": sum(map(len, readings)),
        "interval": [round(end, 4) for end in ends],
    }
