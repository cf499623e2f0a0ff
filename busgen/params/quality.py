"""Stage `quality`: what a release is compared with, and the limits that it must keep."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from busgen.io import read_toml
from busgen.params.base import Bounds, Section

KS_GROUPS = ("geometry", "grey", "depth", "texture", "judges")  # groups of a release's statistics
LIMITED = re.compile(  # scores of a release that limits may name
    rf"ks_({'|'.join(KS_GROUPS)})\.(benign|malignant|pooled)|descriptor_auc|repeats|near_duplicates"
    r"|fid|copies"
    r"|(kid|mmd|frechet|precision|recall|density|coverage|vendi)_(us64|radiomic|lite1)"
    r"|privacy_(ratio|nearer|inauthentic|same_patient)_(us64|radiomic|masks)"
)
WITHOUT_LIMIT = re.compile(r"ks_.*|descriptor_auc|repeats|near_duplicates")  # of a floor


class Limit(Bounds):
    """Bounds of a release's score, and what leaving them means: marked as failing, or refused.

    `of` says in what they are given: the score's own unit, or its floor's limit (the 97.5 %
    quantile of real against real, 2.5 % where low is bad), of which 1 is as good as real.
    """

    action: Literal["refuse", "mark", "off"] = "mark"
    of: Literal["value", "floor_limit"] = "value"

    @model_validator(mode="after")
    def _bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a limit must have a min or a max, e.g. {max: 0.3}")
        return self


_LISTED = read_toml(Path(__file__).with_name("bounds.toml"))
DEFAULT_LIMITS = {name: Limit(**bounds) for name, bounds in _LISTED["limits"].items()}


class QualityParams(Section):
    """Stage `quality`: what a release is compared with, and the limits that it must keep.

    `reference` real statistics, None for those that ship; `max_samples` at most examined. `real`
    what `busgen real --out` wrote: without it scores that need real images are not measured;
    `extractor` a TorchScript file or transformers folder whose Fréchet distance is called FID;
    `allow_code` lets TorchScript, which is a program, run. `previous` folders of earlier releases,
    whose images are looked for in this one. Of these DVC knows the paths alone.
    """

    reference: Path | None = None
    max_samples: int = Field(default=1000, ge=50)
    real: Path | None = None
    extractor: Path | None = None
    allow_code: bool = False
    previous: tuple[Path, ...] = ()
    limits: dict[str, Limit] = DEFAULT_LIMITS

    @field_validator("limits")
    @classmethod
    def _known(cls, limits: dict[str, Limit]) -> dict[str, Limit]:
        for name, limit in limits.items():
            if not LIMITED.fullmatch(name):
                known = f"{', '.join(DEFAULT_LIMITS)}, or another score (README)"
                raise ValueError(f"unknown score {name}: choose from {known}")
            if limit.of == "floor_limit" and WITHOUT_LIMIT.fullmatch(name):
                raise ValueError(f"{name} must be limited by its value: its floor has no limit")
        return DEFAULT_LIMITS | limits
