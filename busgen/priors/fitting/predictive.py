"""Posterior predictive checks: what the fitted prior draws against lesions it was not fitted to.

In: drawn and held-out `Lesions`. Out: records of terms, of pairs of terms, of boxes, and whether
the class follows from the descriptors as well as in reality.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from busgen import schema
from busgen.arrays import Bools, Floats, Indices
from busgen.priors.draw import draw
from busgen.priors.findings import to_row
from busgen.priors.fitting import disagreement
from busgen.priors.fitting.disagreement import CATEGORY, LEAST, PLACES, compare_values
from busgen.priors.fitting.held_out import DIGITS
from busgen.priors.fitting.lesions import TOLD, Lesions, make_lesions
from busgen.priors.network import MARGIN_SETS, TERMS, Prior
from busgen.priors.sizes import LESIONS
from busgen.stats.patients import ENDS, interval
from busgen.stats.proportions import wilson_interval
from busgen.stats.roc import auc, auc_score

DESCRIPTORS = ("shape", "margin", "echo_pattern", "posterior", "halo", "calcification")
COMPARED = tuple(name for name in TOLD if name != "tissue")
PAIRED = (*DESCRIPTORS, "orientation", "birads")
LEVELS = np.linspace(0, 1, 21)  # of the quantiles that are shown
DRAWS = 200  # samples of the prior, as large as the real one, that a dependency is held against


def draw_lesions(prior: Prior, n: int, seed: int) -> Lesions:
    """Return `n` findings of the prior as the rows of a dataset of that name."""
    rows = []
    for finding in draw(prior, n, seed):
        row = to_row(finding) | {"dataset": prior.name, "cluster_id": finding.sample_id}
        row |= {"birads_category": finding.birads[0]}
        side = finding.pixel_mm * 256
        for axis, size in (("width", finding.width_mm), ("height", finding.height_mm)):
            row[f"crop_{axis}"] = None if size is None else size / side
        rows.append(row | {"crop_center_x": finding.center_x, "crop_center_y": finding.center_y})
    return make_lesions(rows, prior)


def check(drawn: Lesions, real: Lesions, rng: np.random.Generator) -> dict[str, Any]:
    """Return the posterior predictive checks of `drawn` against held-out `real` lesions.

    Returns
    -------
    ``{"drawn": n, "terms": [...], "pairs": [...], "boxes": [...], "tall": [...], "auc": {...}}``

    - `terms`: ``{"node", "term", "pathology", "n", "real", "interval", "drawn", "within"}``, 95 %
      Wilson interval of the real share; a margin's terms may stand together.
    - `pairs`: ``{"nodes", "pathology", "n", "real", "drawn", "interval", "within"}``: Cramer's V,
      margins read as circumscribed or not; `drawn` and `interval` are mean and 95 % range of
      samples of the prior as large as the real one, since V grows as samples shrink.
    - `boxes`: ``{"node", "pathology", "n", "distance", "interval", "floor", "own", "pooled"}`` as
      in `busgen.priors.fitting.disagreement`, `own` the real, `pooled` the drawn ones;
      ``"quantiles"`` and ``"drawn_quantiles"`` of both at `LEVELS`.
    - `tall`: taller than wide, ``{"dataset", "pathology", "n", "real", "interval", "drawn"}``.
    - `auc`: one logistic regression of the class on the descriptors, learnt from half of the drawn
      lesions: ``{"n", "real", "interval", "drawn"}``, null where fewer than 5 a class state all.
    """
    real, drawn = (some.pick(some.pathology < len(LESIONS)) for some in (real, drawn))
    return {
        "drawn": len(drawn),
        "terms": [one for name in COMPARED for one in _terms(name, drawn, real)],
        "pairs": _pairs(drawn, real, rng),
        "boxes": _boxes(drawn, real, rng),
        "tall": _tall(drawn, real),
        "auc": _auc(drawn, real, rng),
    }


def _states(lesions: Lesions, name: str) -> Indices:
    """Return each lesion's state of a node, -1 where it does not state one.

    An assessment's state is its category: who does not divide 4 states that too.
    """
    masks = lesions.patterns[name]
    masks = np.sign(disagreement._group(masks, CATEGORY)) if name == "birads" else masks
    known = masks[lesions.pattern]
    return np.where(known.sum(1) == 1, known.argmax(1), -1)


def _readings(name: str) -> dict[str, Bools]:
    """Return for each term of a node which of its states hold it."""
    if name == "margin":
        return {t: np.array([t in terms for terms in MARGIN_SETS]) for t in schema.MARGINS}
    terms = schema.BIRADS_CATEGORIES if name == "birads" else TERMS[name]
    return {term: np.arange(len(terms)) == i for i, term in enumerate(terms)}


def _share(hits: Bools, generated: Bools) -> dict[str, Any]:
    """Return how many of real lesions hit, with its 95 % Wilson interval, and of drawn ones."""
    ends = [round(end, DIGITS) for end in wilson_interval(int(hits.sum()), len(hits))]
    shares = [round(float(some.mean()), DIGITS) for some in (hits, generated)]
    return {"n": len(hits), "real": shares[0], "interval": ends, "drawn": shares[1]}


def _terms(name: str, drawn: Lesions, real: Lesions) -> list[dict[str, Any]]:
    """Return the records of a node's terms."""
    out = []
    for p, pathology in enumerate(LESIONS):
        own, generated = (_states(some, name)[some.pathology == p] for some in (real, drawn))
        own = own[own >= 0]
        for term, holds in _readings(name).items() if len(own) >= LEAST else ():
            where = {"node": name, "term": term, "pathology": pathology}
            record = _share(holds[own], holds[generated])
            low, high = record["interval"]
            out.append({**where, **record, "within": bool(low <= record["drawn"] <= high)})
    return out


def _pairs(drawn: Lesions, real: Lesions, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the records of dependencies between descriptors within a class."""
    out = []
    for p, pathology in enumerate(LESIONS):
        own, generated = (_to_text(some.pick(some.pathology == p)) for some in (real, drawn))
        for first, second in combinations(range(len(PAIRED)), 2):
            pair = own[:, [first, second]]
            pair = pair[(pair >= 0).all(1)]
            if len(pair) < 4 * LEAST:
                continue
            picks = rng.integers(0, len(generated), (DRAWS, len(pair)))
            chance = [_cramers_v(generated[np.ix_(pick, (first, second))]) for pick in picks]
            ends = np.quantile(chance, ENDS)
            found = _cramers_v(pair)
            where = {"nodes": [PAIRED[first], PAIRED[second]], "pathology": pathology}
            figures = {"n": len(pair), "real": round(found, DIGITS)}
            figures |= {"drawn": round(float(np.mean(chance)), DIGITS)}
            limits = [round(float(end), DIGITS) for end in ends]
            within = bool(ends[0] <= found <= ends[1])
            out.append({**where, **figures, "interval": limits, "within": within})
    return out


def _to_text(lesions: Lesions) -> Indices:
    """Return the states (N, nodes) of `PAIRED`, margins as circumscribed (0) or not."""
    columns = [_states(lesions, name) for name in PAIRED]
    margin = PAIRED.index("margin")
    columns[margin] = np.minimum(columns[margin], 1)
    return np.column_stack(columns)


def _cramers_v(pair: Indices) -> float:
    """Return Cramer's V of two columns of states (N, 2), 0 where one of them is constant.

    SciPy's `association`, without its tests of the table: thousands of samples are asked.
    """
    high, wide = pair.max(0) + 1
    table = np.bincount(pair[:, 0] * wide + pair[:, 1], minlength=high * wide).reshape(high, wide)
    table = table[table.any(1)][:, table.any(0)]
    if min(table.shape) < 2:
        return 0.0
    expected = np.outer(table.sum(1), table.sum(0)) / len(pair)
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / len(pair) / (min(table.shape) - 1)))


def _boxes(drawn: Lesions, real: Lesions, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the records of sizes, aspects and places."""
    out = []
    for column, name in enumerate(PLACES):
        for p, pathology in enumerate(LESIONS):
            own, generated = (
                some.pick((some.pathology == p) & ~np.isnan(some.boxes[:, column]))
                for some in (real, drawn)
            )
            if len(own) >= LEAST:
                pooled, curves = generated.boxes[:, column], {}
                for key, x in (("quantiles", own.boxes[:, column]), ("drawn_quantiles", pooled)):
                    curves[key] = [round(float(q), DIGITS) for q in np.quantile(x, LEVELS)]
                record = compare_values(own, column, pooled, rng)
                out.append({"node": name, "pathology": pathology, **record, **curves})
    return out


def _tall(drawn: Lesions, real: Lesions) -> list[dict[str, Any]]:
    """Return the records of lesions that are taller than wide, by dataset and of all."""
    out = []
    for name in ("all", *sorted(set(real.dataset.tolist()))):
        for p, pathology in enumerate(LESIONS):
            mine = (real.pathology == p) & ((real.dataset == name) | (name == "all"))
            own = _states(real, "orientation")[mine]
            own = own[own >= 0]
            if len(own):
                generated = _states(drawn, "orientation")[drawn.pathology == p]
                where = {"dataset": name, "pathology": pathology}
                out.append({**where, **_share(own == 1, generated == 1)})
    return out


def _auc(drawn: Lesions, real: Lesions, rng: np.random.Generator) -> dict[str, Any] | None:
    """Return how well descriptors tell the class, of drawn and of real lesions."""
    from sklearn.linear_model import LogisticRegression

    complete = real.pick(np.all([_states(real, name) >= 0 for name in DESCRIPTORS], 0))
    if min(np.bincount(complete.pathology, minlength=2)) < LEAST:
        return None
    half = np.arange(len(drawn)) % 2 == 0
    learnt, rest = drawn.pick(half), drawn.pick(~half)
    model = LogisticRegression(max_iter=1000).fit(_measure(learnt), learnt.pathology)
    scores, truth = model.decision_function(_measure(complete)), complete.pathology == 1
    generated = auc(rest.pathology == 1, model.decision_function(_measure(rest)))
    return {
        "n": len(truth),
        "real": round(auc(truth, scores), DIGITS),
        "interval": interval(auc_score(truth, scores), complete.patient, rng),
        "drawn": round(generated, DIGITS),
    }


def _measure(lesions: Lesions) -> Floats:
    """Return one column a term (N, terms) of every descriptor."""
    columns: Sequence[Bools] = [
        holds[_states(lesions, name)] for name in DESCRIPTORS for holds in _readings(name).values()
    ]
    return np.column_stack(columns).astype(np.float64)
