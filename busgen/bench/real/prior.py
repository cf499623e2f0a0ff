"""The pooled prior on test patients: what it gains over coarser ones, in nats a lesion.

In: canonical folders with the cohort. Out: figures; everything is fitted anew to training patients.
"""

from pathlib import Path
from typing import Any

from busgen.bench.harness import Figure, figure_of
from busgen.params.priors import PriorsParams
from busgen.priors.fitting.fit import fit_independent, fit_prior
from busgen.priors.fitting.held_out import compare
from busgen.priors.fitting.lesions import COLUMNS, make_lesions
from busgen.priors.network import PUBLISHED, load_prior
from busgen.real.cohort import ADDED, FILE, find_tables, has_usable_label, read_rows
from busgen.seeds import rng

RIVALS = {
    "published": "published",  # the published tables alone
    "by_class": "independent",  # descriptors independent of each other, given the class
    "apart": "independent_of_class",
}


def figures(generated: Path) -> dict[str, Figure]:
    """Return gains over each rival; `..._least` is the low end of a gain's interval."""
    tables, cohort = find_tables(generated), generated / "cohort" / FILE
    columns = [name for name in COLUMNS if name not in ADDED]
    rows = list(read_rows(tables, cohort, columns=columns, usable=has_usable_label))
    base = load_prior(PUBLISHED)
    train, test = (
        make_lesions([row for row in rows if row["split"] == split], base)
        for split in ("train", "test")
    )
    pooling = PriorsParams()
    used = train.weigh(pooling.weights)
    priors = {
        "pooled": fit_prior(train, base, pooling, name="pooled", source="bench").prior,
        "published": base,
        "by_class": fit_independent(used, base),
        "apart": fit_independent(used, base, classes=False),
    }
    found: dict[str, Any] = compare(priors, test, rng(0, "bench"))["all"]
    measured = {}
    for rival, name in RIVALS.items():
        gain = found["gain"][rival] | {"n": found["n"]}
        measured[f"prior_gain_{name}"] = figure_of(gain, "nat")
        measured[f"prior_gain_{name}_least"] = Figure(gain["interval"][0], "nat", gain["n"])
    return measured
