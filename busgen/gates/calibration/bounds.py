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
from busgen.params.gates import Gate
from busgen.schema import JUDGED
from busgen.stats.proportions import wilson_interval

REFUSED = 0.05  # of real images, by all gates together that may reject
# The segmenter misses one real lesion in 18 altogether, so within `REFUSED` its gates would have no
# bound but the worst; terms are stated of few real lesions, and not told apart surely. These gates
# only flag, what is worse than nine of ten real lesions are.
FLAGGED: Mapping[str, float] = {
    "descriptor_agreement": 0.1,
    "mask_agreement": 0.1,
    "boundary_distance": 0.1,
}
LEVELS = np.linspace(REFUSED, 0, 51)  # shares that each gate may refuse, to be tried
DIGITS = 3
SIDES: Mapping[str, str] = {
    "grey_sd": "min",
    "saturated": "max",
    "sharpness": "min",
    "overlay": "max",
    "anomaly": "max",
    "orientation_check": "min",
    "contrast": "min",
    "intensity": "max",
    "descriptor_agreement": "min",
    "mask_agreement": "min",
    "boundary_distance": "max",
    "mask_fit": "min",
    "label_confidence": "min",
    "copy_similarity": "max",
    "duplicate_distance": "min",
}


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
    asked = [name for name, scores in known.items() if not np.isnan(scores).all()]
    rejecting = {name: known[name] for name in asked if name not in FLAGGED}
    shares = {**_shares(rejecting), **FLAGGED}
    bounds = {name: _bound(name, scores, shares[name]) for name, scores in rejecting.items()}
    flags = {name: _bound(name, known[name], FLAGGED[name]) for name in asked if name in FLAGGED}
    return {
        "gates": {
            name: {"share": round(shares[name], 4)} | _evidence(name, gate, known, test)
            for name, gate in (bounds | flags).items()
        },
        "together": _together(known, test, bounds),
    }


def select(samples: pa.Table, split: str) -> dict[str, Floats]:
    """Return each gate's scores (n,) of the clean images of a split, NaN where none applies."""
    rows = samples.filter(pc.and_(samples["clean"], pc.equal(samples["split"], split)))
    return {
        name: rows[f"gate_{name}"].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in SIDES
    }


def is_refused(scores: Mapping[str, Floats], gates: Mapping[str, Gate]) -> Bools:
    """Return which images (n,) any of the gates would refuse; what does not apply refuses none."""
    verdicts = [
        [not isnan(score) and not gate.passes(score) for score in scores[name].tolist()]
        for name, gate in gates.items()
    ]
    return np.asarray(np.any(np.array(verdicts, np.bool_), axis=0), np.bool_)


def to_rows(told: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return what `calibrate` tells as rows: a gate each, all that reject together last."""
    rows = [
        {
            "gate": name,
            "bound": f"{SIDES[name]} {gate[SIDES[name]]:g}",
            "does": "flags" if name in FLAGGED else "rejects",
            "n": gate["n"],
            "refused of test": f"{gate['refused_test']} of {gate['n_test']}",
        }
        for name, gate in told["gates"].items()
    ]
    both = told["together"]
    last = {"gate": "together", "bound": "-", "does": "rejects", "n": both["n"]}
    return [*rows, last | {"refused of test": f"{both['refused_test']} of {both['n_test']}"}]


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


def _evidence(
    name: str, gate: Gate, known: Mapping[str, Floats], test: Mapping[str, Floats]
) -> dict[str, Any]:
    side = SIDES[name]
    return {
        side: getattr(gate, side),
        "n": int(np.count_nonzero(~np.isnan(known[name]))),
        "n_test": int(np.count_nonzero(~np.isnan(test[name]))),
        "refused_test": int(is_refused(test, {name: gate}).sum()),
    }


def _together(
    known: Mapping[str, Floats], test: Mapping[str, Floats], bounds: Mapping[str, Gate]
) -> dict[str, Any]:
    if not bounds:
        return {"n": 0, "refused": 0, "n_test": 0, "refused_test": 0}
    ours, theirs = is_refused(known, bounds), is_refused(test, bounds)
    low, high = wilson_interval(int(theirs.sum()), theirs.size)
    return {
        "n": int(ours.size),
        "refused": int(ours.sum()),
        "n_test": int(theirs.size),
        "refused_test": int(theirs.sum()),
        "interval_test": [round(low, 4), round(high, 4)],
    }
