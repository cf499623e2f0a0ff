"""What other stages tell the report, in their shapes and in round numbers that no data gave."""

from typing import Any

Record = dict[str, Any]
NAMES = ("breast", "bus_bra", "busi")
EXCLUDED = {"published": 1, "by_class": 0, "apart": 0}


def cleaned(read: int, left_out: dict[str, int], flags: dict[str, int]) -> Record:
    """Return the cohort's counts of one dataset; a third of its patients has two images."""
    half = read // 2
    return {
        "published": read + sum(left_out.values()),
        "read": read,
        "left_out": left_out,
        "patients": 3 * read // 4,
        "clusters": 3 * read // 4 - 2,
        "flags": flags,
        "redundant": flags.get("near_duplicate", 0),
        "conflicts": flags.get("label_conflict", 0),
        "splits": {
            "train": {"benign": half, "malignant": read - half - 8},
            "validation": {"benign": 3, "malignant": 1, "unknown": 1},
            "test": {"benign": 2, "normal": 1},
        },
        "usable": {},
        "pixels": {},
    }


def cleaning() -> Record:
    """Return what `busgen.real.prepare.summarise` returns of three datasets."""
    mismatch, damaged = "a mask must have its image's size <b>", "an image must be readable"
    parts = {
        "breast": cleaned(40, {}, {"sector_field": 5, "overlay": 20}),
        "bus_bra": cleaned(160, {damaged: 1}, {"overlay": 30}),
        "busi": cleaned(
            80,
            {mismatch: 3, damaged: 2},
            {"overlay": 70, "several_masks": 4, "near_duplicate": 12, "label_conflict": 6},
        ),
    }
    whole = cleaned(280, {mismatch: 3, damaged: 3}, {}) | {"across": 2}
    return {"datasets": parts, "all": whole}


def measured(value: float, n: int, **aside: float) -> Record:
    """Return a judge's score with its interval."""
    ends = [round(value - 0.05, 4), round(min(value + 0.05, 1.0), 4)]
    return {"value": value, "n": n, "patients": n // 2, "interval": ends, **aside}


def judges() -> Record:
    """Return what stands in the judges' ``scores.json``."""
    ece = measured(0.031, 90, floor=0.02, floor_95=0.04, debiased=0.01)
    return {
        "test": {
            "segmenter": {
                "breast": measured(0.7, 30, median=0.8, missed=0.1),
                "bus_bra": measured(0.86, 60, median=0.9, missed=0.02),
                "all": measured(0.81, 90, median=0.9, missed=0.04),
                "normals_left_empty": {"value": 0.25, "n": 8},
            },
            "classifier": {
                "auc": {
                    "bus_bra": measured(0.88, 60, malignant=20, area_alone=0.75),
                    "all": measured(0.87, 90, malignant=30, area_alone=0.74),
                },
                "calibration": {"ece_5_bins": ece, "ece_10_bins": ece},
            },
        },
        "other": {
            "stu": {
                "segmenter": {"stu": measured(0.66, 42, median=0.7, missed=0.12)},
                "classifier": {},
            }
        },
    }


def held_out(first: str) -> Record:
    """Return likelihoods of one prior, better than the others but for the last."""
    gains = {"published": 0.4, "by_class": 0.2, "apart": 0.01}
    result = {
        name: {"value": gain, "interval": [gain - 0.1, gain + 0.1], "terms": gain}
        for name, gain in gains.items()
    }
    return {
        "all": {
            "n": 50,
            "patients": 44,
            "impossible": EXCLUDED | {first: 0},
            "nats": {},
            "terms": {},
            "gain": result,
        }
    }


def share(pathology: str, real: float, drawn: float, **where: object) -> Record:
    """Return a term's share among 40 real lesions, with a tenth to either side."""
    ends = [round(real - 0.1, 4), round(real + 0.1, 4)]
    found = {"pathology": pathology, "n": 40, "real": real, "interval": ends, "drawn": drawn}
    return where | found | {"within": ends[0] <= drawn <= ends[1]}


def distance(pathology: str, node: str, value: float, **more: object) -> Record:
    """Return a distance of two samples, floor .15."""
    ends = [value - 0.05, value + 0.05]
    moments = {"mean": 0.0, "sd": 1.0}
    return {
        "node": node,
        "pathology": pathology,
        "n": 40,
        "distance": value,
        "interval": ends,
        "floor": 0.15,
        "own": moments,
        "pooled": moments,
        **more,
    }


def checks() -> Record:
    """Return what `busgen.priors.fitting.checks` writes beside a prior."""
    lesions = ("benign", "malignant")
    places = [round(0.2 + k / 40, 3) for k in range(21)]
    steps = [round(-3 + k / 10, 2) for k in range(21)]
    return {
        "prior": {"name": "told", "sha256": "0" * 64},
        "held_out": {"validation": held_out("pooled"), "test": held_out("pooled")},
        "held_out_unaided": {"validation": held_out("unaided"), "test": held_out("unaided")},
        "geometry": {
            "n": 60,
            "gain": {"value": -0.02, "interval": [-0.05, 0.01]},
            "chosen": "parametric",
        },
        "disagreement": [
            {"source": "published", "node": "shape", "pathology": "benign", "n": None,
             "distance": 0.3, "interval": None, "floor": None},
            {"source": "breast", **distance("benign", "shape", 0.2)},
            {"source": "busi", **distance("benign", "log_area", 0.1)},
        ],
        "predictive": {
            "drawn": 6000,
            "terms": [
                share(p, real, drawn, node=node, term=term)
                for node, term, real, drawn in (
                    ("birads", "4a", 0.3, 0.35),
                    ("shape", "oval", 0.6, 0.65),
                    ("shape", "irregular", 0.4, 0.1),
                )
                for p in lesions
            ],
            "pairs": [
                {"nodes": ["shape", "margin"], "pathology": "benign", "n": 40, "real": 0.5,
                 "drawn": 0.3, "interval": [0.2, 0.4], "within": False},
            ],
            "boxes": [
                distance(p, node, 0.1 if p == "benign" else 0.2, quantiles=values,
                         drawn_quantiles=values)
                for node, values in (("log_area", steps), ("y", places))
                for p in lesions
            ],
            "tall": [share(p, 0.2, 0.17, dataset="all") for p in lesions],
            "auc": {"n": 40, "real": 0.9, "interval": [0.8, 0.97], "drawn": 0.92},
        },
    }  # fmt: skip


def caught(fault, strength, rejected, flagged=0, n=40):
    """Return the record of one fault."""
    return {"fault": fault, "strength": strength, "n": n, "rejected": rejected,
            "flagged": flagged, "gates": {"grey_sd": rejected, "overlay": 0},
            "interval": [max(0, rejected / n - 0.1), min(1, rejected / n + 0.1)]}  # fmt: skip


def proof():
    """Return what planted faults showed, as a reference tells it."""
    found = [caught("blank", s, r) for s, r in ((1.0, 40), (0.5, 20), (0.75, 30))]
    found += [caught("swapped_mask", 1.0, 30, 8)]
    found += [caught("shift_px", s, r) for s, r in ((4.0, 2), (8.0, 4), (16.0, 30))]
    labels = {"auc": 0.9, "n": 40, "curve": [[0.05, 0.6], [0.2, 0.9]]}
    return {"clean": caught("none", 0.0, 2), "faults": found, "labels": labels}
