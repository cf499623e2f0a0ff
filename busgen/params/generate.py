"""Stage `generate`: what is asked for, which engines make it, what they must pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from busgen.errors import UserError
from busgen.params.base import Section
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.schema import VARIED
from busgen.seeds import MAX_SEED

Targets = dict[str, bool | dict[str, float]]
Counts = dict[str, Annotated[int, Field(ge=1)]]
ADDRESS = r"^([a-z]+://)?[^\s/:]+:\d{1,5}$"  # of a scheduler


class GenerateParams(Section):
    """Stage `generate`: what is asked for, which engines make it, what they must pass.

    `prior`, `judges` and `mask_model` (the learned mask engine's weights) are files or folders;
    None stands for those that ship. Judges are asked only where one of their gates is not off.
    `known` are what no image may be a copy of: files of real images (`busgen calibrate` makes
    them), folders of earlier releases; with none nothing is asked.
    `counts` are exact numbers of findings, ``pathology.malignant`` or, crossed,
    ``pathology.benign,shape.oval``; the rest has none of them. `vary` makes of each of the `n`
    findings a counterfactual family, one sample for each term of that field
    (`busgen.priors.draw`). `model`, `adapter`, `steps`
    and `guidance` are for learned engines (`busgen.images.engines.ModelOptions`).
    `runner` makes `workers` shards at once in the pipeline; with an `address`, of a Dask scheduler
    or Ray head, as many as that cluster has workers.
    """

    n: int = Field(default=600, ge=1, le=10**9)
    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    size_px: int = Field(default=256, ge=32, le=1024, multiple_of=8)
    prior: Path | None = None
    judges: Path | None = None
    mask_model: Path | None = None
    known: tuple[Path, ...] = ()
    where: tuple[str, ...] = ()
    text: str | None = None
    targets: Targets = {}
    counts: Counts = {}
    vary: str | None = None
    mask_engine: str = "semantic_curvature"
    engine: str = "diffusion"
    model: str | None = None
    adapter: str | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=50)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    max_attempts: int = Field(default=5, ge=1, le=1000)
    max_unfilled: float = Field(default=0.01, ge=0, le=1)
    shard_size: int = Field(default=256, ge=1, le=4096)
    runner: Literal["threads", "processes", "dask", "ray"] = "threads"
    workers: int = Field(default=1, ge=1)
    address: str | None = Field(default=None, pattern=ADDRESS)
    gates: dict[str, Gate] = DEFAULT_GATES

    @field_validator("vary")
    @classmethod
    def _may_vary(cls, field: str | None) -> str | None:
        if field not in (None, *VARIED):
            known = ", ".join(VARIED)
            why = "pathology and birads are what is read from the image"
            raise ValueError(f"must be null or one of {known}; {why}")
        return field

    @model_validator(mode="after")
    def _has_cluster(self) -> Self:
        if self.address and self.runner not in ("dask", "ray"):
            raise ValueError(f"address is for the runners dask and ray, not {self.runner}")
        if self.runner == "ray" and not self.address:
            why = "a node of our own would listen to the whole network"
            raise ValueError(f"ray needs the address of a cluster that runs already: {why}")
        return self

    @field_validator("gates")
    @classmethod
    def _known(cls, gates: dict[str, Gate]) -> dict[str, Gate]:
        unknown = sorted(set(gates) - set(DEFAULT_GATES))
        if unknown:
            raise ValueError(f"unknown gate {unknown[0]}: choose from {', '.join(DEFAULT_GATES)}")
        return DEFAULT_GATES | gates


def parse_targets(words: Sequence[str]) -> Targets:
    """Return target marginals from the command line's words, ``field.term=share`` or a switch.

    ``["margin.spiculated=0.3", "size_matched"]`` -> ``{"margin": {"spiculated": .3},
    "size_matched": True}``.
    """
    targets: Targets = {}
    for word in words:
        key, _, share = word.partition("=")
        name, _, term = key.partition(".")
        if not term and not share:
            targets[name] = True
            continue
        marginal = targets.setdefault(name, {})
        try:
            if not term or isinstance(marginal, bool):
                raise ValueError(word)
            marginal[term] = float(share)
        except ValueError:
            rule = "a target must be field.term=share"
            raise UserError(rule, repr(word), "e.g. --target pathology.malignant=0.5") from None
    return targets
