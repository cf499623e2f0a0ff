"""Stage `train_images`: the parts of the diffusion generator, and how long each learns."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from busgen.params.base import Section
from busgen.seeds import MAX_SEED


class ScheduleParams(Section):
    """How long something learns: steps of `accumulate` batches each, at most at `rate`."""

    steps: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    rate: float = Field(gt=0)

    @property
    def images_seen(self) -> int:
        """Images that are seen."""
        return self.steps * self.batch * self.accumulate


class FlowParams(ScheduleParams):
    """The denoising network: besides, its shape (`busgen.images.diffusion.training.flow`).

    It learns from `views` of each image: two whole, mirrored and not, the others windows of it.
    """

    steps: int = Field(default=8000, ge=0)
    rate: float = Field(default=6e-4, gt=0)
    views: int = Field(default=6, ge=1)
    widths: tuple[int, ...] = Field(default=(64, 128, 192), min_length=2, max_length=4)
    layers: int = Field(default=1, ge=1, le=4)


class GuidedParams(ScheduleParams):
    """Guidance that is folded into the network: strength of text and of mask, 1 is none."""

    steps: int = Field(default=300, ge=0)
    rate: float = Field(default=2e-4, gt=0)
    text: float = Field(default=2.0, ge=1, le=10)
    mask: float = Field(default=1.3, ge=1, le=10)


class DecoderParams(ScheduleParams):
    """The decoder, tuned to what it decodes: three fifths of the steps to real images alone."""

    steps: int = Field(default=2500, ge=0)
    batch: int = Field(default=12, ge=1)
    rate: float = Field(default=4e-4, gt=0)


class LastStepsParams(ScheduleParams):
    """The network's last steps and the decoder: whole images brought nearer to real ones."""

    steps: int = Field(default=400, ge=0)
    batch: int = Field(default=8, ge=1)
    rate: float = Field(default=5e-5, gt=0)


class LevelsParams(Section):
    """What echo patterns are told as: moved `rounds` times, each by what `drawn` lesions lack."""

    rounds: int = Field(default=4, ge=0, le=20)
    drawn: int = Field(default=48, ge=2)


class AdapterParams(ScheduleParams):
    """Low-rank adaptation to another data set: besides, views of an image, rank of the changes."""

    steps: int = Field(default=400, ge=1)
    rate: float = Field(default=5e-4, gt=0)
    views: int = Field(default=6, ge=1)
    rank: Literal[2, 4, 8] = 8


class TrainImagesParams(Section):
    """Stage `train_images`: autoencoder, denoising network, guidance, decoder, last steps.

    `start` is the folder of a trained generator to begin with: the latents of its autoencoder are
    kept, its denoising network and its decoder learn on.
    """

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    start: Path | None = None
    autoencoder: ScheduleParams = ScheduleParams(steps=2000, rate=8e-4)
    flow: FlowParams = FlowParams()
    guided: GuidedParams = GuidedParams()
    decoder: DecoderParams = DecoderParams()
    last_steps: LastStepsParams = LastStepsParams()
    levels: LevelsParams = LevelsParams()
    adapter: AdapterParams = AdapterParams()
    half_precision: bool = True
