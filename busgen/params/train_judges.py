"""Stage `train_judges`: ensembles of segmenters and classifiers."""

from pydantic import Field

from busgen.params.base import Section
from busgen.seeds import MAX_SEED


class JudgeParams(Section):
    """One ensemble of judges: input, levels' widths, members, and how long and fast each learns."""

    members: int = Field(default=3, ge=1, le=16)
    size_px: int = Field(default=160, ge=32, le=512, multiple_of=32)
    widths: tuple[int, ...] = Field(default=(16, 32, 64, 96, 128), min_length=2, max_length=5)
    epochs: int = Field(default=36, ge=1)
    polish: int = Field(default=20, ge=0)
    batch: int = Field(default=16, ge=2)
    rate: float = Field(default=3e-3, gt=0)


class ClassifierParams(JudgeParams):
    """The classifiers: besides, the window in sides of the lesion, members without mask."""

    size_px: int = Field(default=96, ge=32, le=512, multiple_of=32)
    epochs: int = Field(default=20, ge=1)
    polish: int = Field(default=0, ge=0)
    widths: tuple[int, ...] = Field(default=(24, 48, 96, 128), min_length=2)
    batch: int = Field(default=32, ge=2)
    rate: float = Field(default=2e-3, gt=0)
    members: int = Field(default=6, ge=1, le=16)
    context: float = Field(default=1.8, ge=1, le=4)
    blind: int = Field(default=3, ge=0)


class TrainJudgesParams(Section):
    """Stage `train_judges`: the segmenters, the classifiers; `workers` trained at once."""

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    segmenter: JudgeParams = JudgeParams()
    classifier: ClassifierParams = ClassifierParams()
    half_precision: bool = True
    workers: int = Field(default=2, ge=1)
