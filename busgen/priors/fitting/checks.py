"""Evidence beside a fitted prior: what it was fitted to, and how well it holds elsewhere.

In: canonical rows with cluster and split. Out: the prior, and a record for `<prior>.checks.json`:

- ``prior``: ``{"name", "sha256"}``
- ``fit``: ``{"weights", "backoff", "follow", "trace" (nats a lesion, round by round), "sources":
  {dataset: {"images", "patients", "lesions", "boxes", "outside"}}}``, training patients; `outside`
  boxes leave the prior's frame or ranges and counted without their box.
- ``held_out``: ``{"validation" | "test": ...}`` as `busgen.priors.fitting.held_out.compare` returns
it:
  ``pooled`` against ``published`` (the base alone), ``by_class`` (independent descriptors given the
  class), ``apart`` (independent of it too); and ``held_out_unaided``: the same with ``unaided``,
  pooled without any weight of the base, whose tables were counted on all of BrEaST's patients.
- ``geometry``: `busgen.priors.fitting.held_out.compare_boxes` on validation patients.
- ``disagreement``: `busgen.priors.fitting.disagreement.compare` on training patients.
- ``predictive``: `busgen.priors.fitting.predictive.check` on validation and test patients.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from busgen import seeds
from busgen.params.priors import PriorsParams
from busgen.priors.fitting import disagreement, held_out
from busgen.priors.fitting.fit import PUBLISHED, Fit, fit_independent, fit_prior
from busgen.priors.fitting.held_out import compare_boxes
from busgen.priors.fitting.lesions import Lesions, make_lesions
from busgen.priors.fitting.predictive import check, draw_lesions
from busgen.priors.network import Prior

SPLITS = ("validation", "test")
SEED, DRAWN = 0, 6000


def fit_and_check(
    rows: Sequence[Mapping[str, Any]], base: Prior, pooling: PriorsParams, *, name: str
) -> tuple[Prior, dict[str, Any]]:
    """Return the prior fitted to training rows, and its checks on the others.

    `rows`: canonical rows with `busgen.priors.fitting.lesions.COLUMNS` and `split`; copies and
    disputed labels left out; `base`, `pooling`, `name`: as `fit_prior` takes them. Raises
    `DataError`, `UserError` as `make_lesions` and `fit_prior`; splits without a row are left out of
    the checks.
    """
    by_split = {s: [row for row in rows if row["split"] == s] for s in ("train", *SPLITS)}
    train = make_lesions(by_split.pop("train"), base)
    parts = {split: make_lesions(part, base) for split, part in by_split.items() if part}
    if parts:
        parts["both"] = make_lesions(chain(*by_split.values()), base)
    used = train.weigh(pooling.weights).dataset
    names = [n for n in dict.fromkeys(train.dataset.tolist()) if pooling.weights.get(n, 1.0) > 0]
    counts = ", ".join(f"{name} {(used == name).sum()}" for name in names)
    source = f"images of training patients pooled ({counts})"
    fit = fit_prior(train, base, pooling, name=name, source=source)
    record = {
        "prior": {"name": fit.prior.name, "sha256": fit.prior.sha256},
        "fit": _to_record(train, pooling, fit),
    }
    return fit.prior, record | _checks(fit.prior, base, pooling, train, parts)


def _checks(
    prior: Prior, base: Prior, pooling: PriorsParams, train: Lesions, parts: Mapping[str, Lesions]
) -> dict[str, Any]:
    """Return all that is measured once the prior is fitted, on `parts` by split, and on both."""
    rng = seeds.rng(SEED, "prior checks")
    used = train.weigh(pooling.weights)
    others = {
        "published": base,
        "by_class": fit_independent(used, base),
        "apart": fit_independent(used, base, classes=False),
    }
    alone = pooling.model_copy(update={"weights": {**pooling.weights, PUBLISHED: 0.0}})
    unaided = {"unaided": fit_prior(train, base, alone, name="unaided", source="").prior}
    drawn, splits = draw_lesions(prior, DRAWN, SEED), [s for s in SPLITS if s in parts]
    record: dict[str, Any] = {
        "held_out": {
            s: held_out.compare({"pooled": prior, **others}, parts[s], rng) for s in splits
        },
        "held_out_unaided": {s: held_out.compare(unaided | others, parts[s], rng) for s in splits},
        "disagreement": disagreement.compare(prior, base, train, drawn, rng),
    }
    if "validation" in parts:
        record["geometry"] = compare_boxes(prior, used, parts["validation"], rng)
    if parts:
        record["predictive"] = check(drawn, parts["both"], rng)
    return record


def _to_record(train: Lesions, pooling: PriorsParams, fit: Fit) -> dict[str, Any]:
    """Return what the prior was fitted to."""
    sources = {}
    for name in sorted(set(train.dataset.tolist())):
        mine = train.pick(train.dataset == name)
        sources[name] = {
            "images": len(mine),
            "patients": len(set(mine.patient.tolist())),
            "lesions": int((mine.pathology < 2).sum()),
            "boxes": int(mine.has_box.sum()),
            "outside": int(mine.outside.sum()),
        }
    trace = [round(value, 6) for value in fit.trace]
    weights = {**dict.fromkeys(sources, 1.0), PUBLISHED: 0.0, **pooling.weights}
    return pooling.model_dump() | {"weights": weights, "trace": trace, "sources": sources}
