"""Gates calibrated on real images: those that reject refuse few of them, all together.

In: samples of held-out patients (`busgen.gates.calibration.real_samples`). Out: a bound for each
gate, from the validation patients' clean images, and how many of the test patients' it would
refuse.
"""

from collections.abc import Mapping
from math import floor, isnan, log10
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from busgen.arrays import Bools, Floats
from busgen.gates.calibration.real_samples import SCORES
from busgen.params.gates import Gate
from busgen.schema import JUDGED
from busgen.stats.proportions import wilson_interval

REFUSED = 0.05  # of real images, by all gates together that may reject
# The segmenter misses one real lesion in 18 altogether, so within `REFUSED` its gates would have no
# bound but the worst; terms are stated of few real lesions, and never surely distinguished. These
# gates only flag, what is worse than nine of ten real lesions are.
FLAGGED = dict.fromkeys(("descriptor_agreement", "mask_agreement", "boundary_distance"), 0.1)
LEVELS = np.linspace(REFUSED, 0, 51)  # shares that each gate may refuse, to be tried
DIGITS = 3
TOGETHER = ("n", "refused", "n_test", "refused_test")
HIGH_IS_BAD = {"saturated", "overlay", "anomaly", "intensity", "boundary_distance"}
HIGH_IS_BAD |= {"copy_similarity"}
SIDES = {name: "max" if name in HIGH_IS_BAD else "min" for name in SCORES}


def calibrate(samples: pa.Table) -> dict[str, Any]:
    """Return the gates' bounds with their evidence.

    Every gate that may reject may refuse the same share of the validation patients' clean images
    to which it applies; the largest share is taken at which all of them together refuse at most
    `REFUSED`. What that leaves goes to one gate after another, judges' first: the next larger share
    where all together still refuse no more. Those in `FLAGGED` may flag the share that stands
    there.

    Returns ``gates[name]`` with ``min`` or ``max``, the ``share`` that it may refuse or flag, ``n``
    (images that the bound rests on), ``refused_test`` of ``n_test`` images of test patients; gates
    that nothing was measured for are absent. ``together``, without those that flag: ``n, refused``
    on validation patients, ``n_test, refused_test, interval_test`` (of the share) on test patients.
    """
    known, test = select(samples, "validation"), select(samples, "test")
    request = [name for name, scores in known.items() if not np.isnan(scores).all()]
    rejecting = {name: known[name] for name in request if name not in FLAGGED}
    shares = {**_shares(rejecting), **FLAGGED}
    bounds = {name: _bound(name, scores, shares[name]) for name, scores in rejecting.items()}
    flags = {name: _bound(name, known[name], FLAGGED[name]) for name in request if name in FLAGGED}
    gates = {}
    for name, gate in (bounds | flags).items():
        n, n_test = (int(np.count_nonzero(~np.isnan(own[name]))) for own in (known, test))
        refused = int(is_refused(test, {name: gate}).sum())
        evidence = {"n": n, "n_test": n_test, "refused_test": refused}
        bound = {"share": round(shares[name], 4), SIDES[name]: getattr(gate, SIDES[name])}
        gates[name] = bound | evidence
    if not bounds:
        return {"gates": gates, "together": dict.fromkeys(TOGETHER, 0)}
    ours, theirs = is_refused(known, bounds), is_refused(test, bounds)
    counts = ours.size, int(ours.sum()), theirs.size, int(theirs.sum())
    ends = [round(end, 4) for end in wilson_interval(counts[3], theirs.size)]
    together = dict(zip(TOGETHER, counts, strict=True)) | {"interval_test": ends}
    return {"gates": gates, "together": together}


def select(samples: pa.Table, split: str) -> dict[str, Floats]:
    """Return each gate's scores (n,) of the clean images of a split, NaN where none applies."""
    rows = samples.filter(pc.and_(samples["clean"], pc.equal(samples["split"], split)))
    scores = {name: rows[f"gate_{name}"].to_numpy(zero_copy_only=False) for name in SIDES}
    return {name: values.astype(np.float64) for name, values in scores.items()}


def is_refused(scores: Mapping[str, Floats], gates: Mapping[str, Gate]) -> Bools:
    """Return which images (n,) any of the gates would refuse; what does not apply refuses none."""
    verdicts = [
        [not isnan(score) and not gate.passes(score) for score in scores[name].tolist()]
        for name, gate in gates.items()
    ]
    return np.asarray(np.any(np.array(verdicts, np.bool_), axis=0), np.bool_)


def to_rows(record: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return what `calibrate` tells as rows: a gate each, all that reject together last."""
    rows: list[dict[str, object]] = []
    for name, gate in (record["gates"] | {"together": record["together"]}).items():
        side = SIDES.get(name)
        bound = f"{side} {gate[side]:g}" if side else "-"
        row = {"gate": name, "bound": bound, "does": "flags" if name in FLAGGED else "rejects"}
        refused = f"{gate['refused_test']} of {gate['n_test']}"
        rows.append(row | {"n": gate["n"], "refused of test": refused})
    return rows


def _shares(known: Mapping[str, Floats]) -> dict[str, float]:
    """Return the share that each gate may refuse of its scores (n,): see `calibrate`."""

    def passes(shares: Mapping[str, float]) -> bool:
        bounds = {name: _bound(name, scores, shares[name]) for name, scores in known.items()}
        return not known or bool(is_refused(known, bounds).mean() <= REFUSED)

    levels = LEVELS.tolist()
    level = next(k for k, share in enumerate(levels) if passes(dict.fromkeys(known, share)))
    shares = dict.fromkeys(known, levels[level])
    for name in sorted(known, key=lambda name: name not in JUDGED):
        larger = shares | {name: levels[max(level - 1, 0)]}
        shares = larger if passes(larger) else shares
    return shares


def _bound(name: str, scores: Floats, share: float) -> Gate:
    """Return the bound that refuses at most `share` of the scores, rounded to the lenient side."""
    ordered = np.sort(scores[~np.isnan(scores)])
    spared = floor(share * ordered.size + 1e-9)
    if SIDES[name] == "min":
        return Gate(min=_round(float(ordered[spared]), np.floor))
    return Gate(max=_round(float(ordered[-1 - spared]), np.ceil))


def _round(value: float, way: np.ufunc) -> float:
    """Return `value` with `DIGITS` significant digits, rounded down or up."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (floor(log10(abs(value))) - DIGITS + 1)
    return float(f"{way(value / unit) * unit:.{DIGITS}g}")
