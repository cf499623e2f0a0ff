"""Image engine `stable_diffusion`: any Stable Diffusion 1.5 with a ControlNet on the mask.

In: findings, masks, a folder of weights (`layout`). Out: images. This is the architecture of
Pan et al. (MICCAI 2025, LNCS 15965, pp. 57-67), and the prompt is their sentence, not the finding's
text: models fine-tuned with their recipe (`sd15_training`) have read nothing else, and a CLIP
encoder cuts longer texts at 77 tokens. So it hears pathology, echo pattern and margin; shape,
size and place come with the mask; the rest of a finding it does not hear. The sampler is DDIM: as
many evaluations as steps, and no noise but the one that each sample brings.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionControlNetPipeline

from busgen import seeds
from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.compute.devices import resolve_device, torch_threads
from busgen.compute.quiet import silence
from busgen.errors import DataError, UserError
from busgen.images.contract import ImageEngine, ModelOptions
from busgen.images.stable_diffusion import layout
from busgen.io import read_json, sha256_bytes
from busgen.priors.findings import Finding

STEPS, GUIDANCE = 50, 7.5  # diffusers' own, which the predecessor does not depart from in print
BATCH = {"cpu": 1, "cuda": 4}  # every pass has this many, so that sums keep their order
UNEVEN = ("heterogeneous", "complex_cystic_solid")


def to_text(pathology: str | None, echo_pattern: str | None, margin: Sequence[str] | None) -> str:
    """Return the predecessor's sentence; what is not known (None, empty) is left out.

    A margin that is circumscribed has a clear boundary, any other an unclear one; echo patterns
    other than heterogeneous and complex cystic and solid are homogeneous.
    """
    if pathology == "normal":
        return "breast ultrasound image without tumor."
    kind = f"{pathology} tumor" if pathology else "tumor"
    echo = "heterogeneous" if echo_pattern in UNEVEN else "homogeneous"
    edge = "clear" if margin and tuple(margin) == ("circumscribed",) else "unclear"
    phrases = [f"{echo} echogenicity"] if echo_pattern else []
    phrases += [f"{edge} boundary"] if margin else []
    return f"breast ultrasound image of {kind}{' with ' if phrases else ''}{' and '.join(phrases)}."


@dataclass(frozen=True)
class Engine:
    """The pipeline, its sampler's settings, and the sides that it renders and returns."""

    pipeline: Any
    steps: int
    guidance: float
    size_px: int
    drawn_px: int
    threads: int
    sha256: str
    name: str = "stable_diffusion"

    def render(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images (N, H, W) uint8; raise `UserError` where the masks do not fit.

        An image depends on its finding and its mask only, not on the batch.
        """
        want = (len(findings), self.size_px, self.size_px)
        if masks.shape != want or masks.dtype != np.uint8 or masks.max(initial=0) > 1:
            got = f"{masks.shape} {masks.dtype} up to {masks.max(initial=0)}"
            rule = f"masks must be uint8 of 0 and 1, of shape {want}"
            raise UserError(rule, got, "draw one mask a finding")
        images = np.zeros(want, np.uint8)
        size = BATCH[self.pipeline.device.type]
        with torch_threads(self.threads):
            for start in range(0, len(findings), size):
                chosen = [min(start + k, len(findings) - 1) for k in range(size)]
                drawn = self._draw([findings[k] for k in chosen], masks[chosen])
                images[start : start + size] = drawn[: len(findings) - start]
        return images

    def _draw(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images of one pass."""
        pipeline = self.pipeline
        side = self.drawn_px // pipeline.vae_scale_factor
        shape = (pipeline.unet.config.in_channels, side, side)
        draws = [seeds.rng(finding.seed, "image") for finding in findings]
        noise = np.stack([rng.standard_normal(shape, np.float32) for rng in draws])
        channels = pipeline.controlnet.config.conditioning_channels
        images = pipeline(
            prompt=[to_text(f.pathology, f.echo_pattern, f.margin) for f in findings],
            image=make_control(masks, self.drawn_px, channels),
            latents=torch.from_numpy(noise).to(pipeline.unet.dtype),
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            output_type="np",
        ).images
        size = (self.size_px, self.size_px)
        grey = [image.mean(axis=2, dtype=np.float32) for image in images]
        small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in grey]
        return np.asarray(np.rint(np.stack(small) * 255), np.uint8)


def make_control(masks: Pixels, side: int, channels: int) -> torch.Tensor:
    """Return masks (N, H, W) as what a ControlNet sees: (N, channels, side, side) of 0 and 1."""
    resized = [cv2.resize(m, (side, side), interpolation=cv2.INTER_NEAREST_EXACT) for m in masks]
    whole = torch.from_numpy(np.stack(resized)).float()
    return whole[:, None].repeat(1, channels, 1, 1)


def load_engine(size_px: int, device: str, threads: int, learned: ModelOptions) -> ImageEngine:
    """Return the engine, its weights read and on their device, float16 on a GPU.

    It renders at the model's own size (512 for Stable Diffusion 1.5) and brings images to
    `size_px`; where they are to be larger, at the next size up that the model can draw. Raises
    `UserError` if no model is named or found, it lacks parts, its weights are pickles, the adapter
    is unknown or not this model's, steps or guidance are out of range, or there is no such device;
    `DataError` if a part is broken.
    """
    steps, guidance = _sampler(learned)
    place = resolve_device(device)
    folder = layout.find_folder(learned.model)
    layout.check_folder(folder)
    adapter = layout.find_adapter(folder, learned.adapter) if learned.adapter else None
    dtype = torch.float16 if place.type == "cuda" else torch.float32
    pipeline = _pipeline(folder, steps, dtype).to(place)
    if adapter:
        _adapt(pipeline, adapter)
    factor = pipeline.vae_scale_factor
    drawn_px = max(pipeline.unet.config.sample_size, math.ceil(size_px / factor)) * factor
    weights, code = layout.hash_folder(folder, adapter), hash_code(__name__)
    sha256 = sha256_bytes(f"{weights}{code}{steps}/{guidance}/{dtype}".encode())
    return Engine(pipeline, steps, guidance, size_px, drawn_px, threads, sha256)


def _sampler(learned: ModelOptions) -> tuple[int, float]:
    """Return steps and guidance; raise `UserError` where they are out of range."""
    steps = STEPS if learned.steps is None else learned.steps
    guidance = GUIDANCE if learned.guidance is None else learned.guidance
    if steps < 1:
        raise UserError("steps must be at least 1", steps, f"{STEPS} is the usual")
    if not 1 <= guidance < math.inf:
        raise UserError("guidance must be at least 1, which is none", guidance, "7.5 is the usual")
    return steps, float(guidance)


def _pipeline(folder: Path, steps: int, dtype: torch.dtype) -> Any:  # noqa: ANN401 - untyped
    # latents are not bounded by 1: DDIM's clipping is for pixels
    scheduler = DDIMScheduler.from_config(read_json(folder / layout.SCHEDULE), clip_sample=False)
    most = scheduler.config.num_train_timesteps
    if steps > most:
        raise UserError(f"steps must be at most the model's {most}", steps, "ask for fewer")
    parts = {part: layout.read_part(folder, part, dtype) for part in layout.WEIGHED}
    pipeline = StableDiffusionControlNetPipeline(
        **parts,
        tokenizer=layout.read_tokenizer(folder),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()  # one image at a time: memory
    return pipeline


def _adapt(pipeline: Any, adapter: Path) -> None:  # noqa: ANN401 - untyped
    """Add an adapter to the weights, which costs no time after that."""
    rule, remedy = "an adapter must be one of this model's", "name the model that it was trained on"
    try:
        with silence():
            name = adapter.name
            pipeline.load_lora_weights(adapter.parent, weight_name=name, adapter_name="adapter")
    except layout.BROKEN as error:
        raise DataError(rule, error, remedy) from error
    if not pipeline.get_active_adapters():
        raise DataError(rule, f"{adapter} without its layers", remedy)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
