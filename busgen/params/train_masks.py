"""Stage `train_masks`: the network that draws outlines."""

from pydantic import Field

from busgen.params.base import Section
from busgen.seeds import MAX_SEED


class TrainMasksParams(Section):
    """Stage `train_masks`: the network that draws outlines; `patience` looks, 250 steps apart."""

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=256, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    patience: int = Field(default=6, ge=1)
    width: int = Field(default=256, ge=16, le=1024)
    layers: int = Field(default=3, ge=1, le=8)
