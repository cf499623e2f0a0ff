"""Stage `priors`: how the sources of the clinical prior are pooled."""

from pydantic import Field, field_validator

from busgen.params.base import Section
from busgen.schema import DATASETS


class PriorsParams(Section):
    """Stage `priors`: how the sources are pooled (`busgen.priors.fitting.fit.Pooling`).

    `weights`: dataset -> weight of its patients, 1 where it is not named, and ``published`` -> with
    how many pseudo-lesions the published prior stands in every row; 0 leaves a source out.
    `backoff`: pseudo-lesions that follow the class alone. `inferred`: whether a lesion counts in
    the tables of terms that it does not state too. `follow`: field -> dataset whose shares
    it takes over, where that dataset is read.
    """

    weights: dict[str, float] = {"published": 20.0, "breast": 1.0, "bus_bra": 1.0, "busi": 1.0}
    backoff: float = Field(default=20.0, ge=0)
    inferred: bool = False
    follow: dict[str, str] = {"orientation": "bus_bra"}

    @field_validator("weights")
    @classmethod
    def _sources(cls, weights: dict[str, float]) -> dict[str, float]:
        known = ("published", *DATASETS)
        unknown = sorted(set(weights) - set(known))
        if unknown:
            raise ValueError(f"unknown source {unknown[0]}: choose from {', '.join(known)}")
        if min(weights.values(), default=0) < 0:
            raise ValueError("weights must be >= 0: 0 leaves a source out")
        return weights
