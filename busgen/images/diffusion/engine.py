"""Image engine `diffusion`: the pipeline behind the contract of `busgen.images.engines`.

In: findings and masks. Out: images. A finding's seed draws where its path begins and the grain
of its speckle and where in its terms' ranges the levels lie; terms and scanner are the conditions,
the mask the third.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from busgen import io, seeds
from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.compute.devices import resolve_device
from busgen.errors import UserError
from busgen.images.contract import ImageEngine, ModelOptions, require_masks
from busgen.images.diffusion.autoencoder import FACTOR, NOISED
from busgen.images.diffusion.conditions import styles_for, terms_of
from busgen.images.diffusion.folder import SHIPPED, checked_hash, load_model
from busgen.images.diffusion.levels import draw_place
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline, Guidance
from busgen.images.diffusion.scanners import NO_STYLE
from busgen.imaging.square import resize
from busgen.priors.findings import Finding

AT_ONCE = 8  # images drawn together: always as many, last digits depend on it


@dataclass(frozen=True)
class Engine:
    """The learned generator.

    `native_px` is the side that it draws, brought to `size_px`; `adapted` whether an adapter stands
    for the scanner's style.
    """

    pipeline: BreastUltrasoundPipeline
    size_px: int
    native_px: int
    threads: int
    steps: int
    guidance: Guidance
    sha256: str
    adapted: bool = False
    name: str = "diffusion"

    @property
    def evaluations(self) -> int:
        """Evaluations of the network for an image, those that guidance costs included."""
        return self.steps * self.guidance.evaluations

    def render(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images (N, H, W) uint8; raise `UserError` where the masks do not fit."""
        _check(findings, masks, self.size_px)
        images = np.zeros(masks.shape, np.uint8)
        starts = range(0, len(findings), AT_ONCE)

        def draw(start: int) -> None:
            torch.set_num_threads(1)  # of this thread: sums that threads share make both wait
            own = np.arange(start, min(start + AT_ONCE, len(findings)))
            batch = np.resize(own, AT_ONCE)
            drawn = self._draw([findings[k] for k in batch.tolist()], masks[batch])
            images[own] = drawn[: own.size]

        with ThreadPoolExecutor(self.threads if self.pipeline.device.type == "cpu" else 1) as pool:
            list(pool.map(draw, starts))
        return images

    def _draw(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        device = self.pipeline.device
        styles = styles_for([finding.scanner for finding in findings])
        conditions = self.pipeline.encode(
            terms_of(findings),
            _resize(masks, self.native_px),
            torch.full_like(styles, NO_STYLE) if self.adapted else styles,
            torch.stack([draw_place(finding.seed) for finding in findings]),
        )
        drawn = [_noise(f.seed, self.native_px, self.pipeline.channels) for f in findings]
        start, *grain = (torch.stack(parts).to(device) for parts in zip(*drawn, strict=True))
        images = self.pipeline(conditions, start, grain, self.steps, self.guidance)
        grey = np.rint(images.cpu().numpy() * 255).astype(np.uint8)
        return np.stack([_brought(image, self.size_px) for image in grey])


def load_engine(size_px: int, device: str, threads: int, learned: ModelOptions) -> ImageEngine:
    """Return the engine with the weights in ``learned.model``, by default those that ship.

    Raises `UserError` if the folder holds no pipeline of ours, or no adapter of that name;
    `DataError` if a file is not what its manifest says.
    """
    folder = Path(learned.model) if learned.model else SHIPPED
    digest = checked_hash(folder, learned.adapter)
    pipeline = load_model(folder, resolve_device(device), learned.adapter)
    guidance = Guidance(described=1.0 if learned.guidance is None else learned.guidance)
    steps = learned.steps or STEPS
    key = f"{digest} {hash_code(__name__)} {steps} {guidance}"
    native = int(pipeline.unet.config.sample_size) * FACTOR
    return Engine(
        pipeline,
        size_px,
        native,
        threads,
        steps,
        guidance,
        io.sha256_bytes(key.encode()),
        adapted=learned.adapter is not None,
    )


def _check(findings: Sequence[Finding], masks: Pixels, size_px: int) -> None:
    """Raise `UserError` unless there is one {0, 1} mask of `size_px` a finding, none lost."""
    require_masks(findings, masks, size_px)
    for finding, mask in zip(findings, masks, strict=True):
        if finding.has_lesion != bool(mask.any()):
            rule = "a lesion must have a mask that is not empty, a normal finding an empty one"
            got = f"{finding.pathology} with {int(mask.sum())} pixels ({finding.sample_id})"
            raise UserError(rule, got, "draw the mask of this very finding")


def _noise(seed: int, size_px: int, channels: int) -> tuple[Tensor, ...]:
    """Return what a finding's seed draws: its start (channels, h, w), and the decoder's noise."""
    rng = seeds.rng(seed, "image")
    side = size_px // FACTOR
    shapes = ((channels, side, side), *((1, size_px // k, size_px // k) for k in NOISED))
    return tuple(torch.from_numpy(rng.standard_normal(shape, np.float32)) for shape in shapes)


def _resize(masks: Pixels, size_px: int) -> Pixels:
    planes = [resize(mask * np.uint8(255), size_px) for mask in masks]
    return (np.stack(planes) > 127).astype(np.uint8)


def _brought(image: Pixels, size_px: int) -> Pixels:
    if len(image) == size_px:
        return image
    method = cv2.INTER_AREA if size_px < len(image) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)
