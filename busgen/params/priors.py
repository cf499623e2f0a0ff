"""Stage `priors`: how the sources of the clinical prior are pooled."""

from pydantic import Field, field_validator

from busgen.params.base import Section


class PriorsParams(Section):
    """Stage `priors`: how the sources are weighed against each other.

    `weights`: dataset, one of your own too -> weight of its patients, 1 where it is not named, and
    ``published`` -> with how many pseudo-lesions the published prior stands in every row of every
    table; 0 leaves a source out. `backoff`: pseudo-lesions in every row that follow the term's
    shares in the class, whatever the other parents: rows with little data lean on them. `inferred`:
    whether a lesion counts in the tables of terms that it does not state too, as what the rest of
    it lets expect: true if all sources describe alike what they do state.
    """

    weights: dict[str, float] = {"published": 20.0, "breast": 1.0, "bus_bra": 1.0, "busi": 1.0}
    backoff: float = Field(default=20.0, ge=0)
    inferred: bool = False

    @field_validator("weights")
    @classmethod
    def _not_negative(cls, weights: dict[str, float]) -> dict[str, float]:
        if min(weights.values(), default=0) < 0:
            raise ValueError("weights must be >= 0: 0 leaves a source out")
        return weights
