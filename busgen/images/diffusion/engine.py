"""Image engine `diffusion`: the pipeline behind the contract of `images.contract`, its folder.

A trained pipeline is a diffusers folder: `model_index.json` and components as safetensors in half
precision, `adapters/NAME/`, `manifest.json` with every file's SHA-256.

In: findings and masks. Out: images. A finding's seed draws where its path begins and the grain of
its speckle and where in its terms' ranges the levels lie; terms and scanner are the conditions, the
mask the third.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import load_file
from torch import Tensor

from busgen import io, seeds
from busgen.arrays import Indices, Pixels
from busgen.code import hash_code
from busgen.compute.devices import resolve_device
from busgen.errors import DataError, UserError
from busgen.extras import require_extra
from busgen.images.contract import ImageEngine, ModelOptions, require_masks
from busgen.images.diffusion import inpainting
from busgen.images.diffusion.autoencoder import FACTOR, NOISED
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    Guidance,
)
from busgen.imaging.square import resize
from busgen.io import ASSETS, dumps, read_json, sha256_bytes, sha256_file, write_text
from busgen.priors.findings import Finding

SHIPPED = ASSETS / "images"
MANIFEST, INDEX, ADAPTERS = "manifest.json", "model_index.json", "adapters"
ADAPTER = "pytorch_lora_weights.safetensors"  # as diffusers names it
KIND = "generator of images"
VERSION = 3  # of the folder's form: what other versions hold is not read
COMPONENTS = ("autoencoder", "ranges", "tokens", "unet")
PARTS = (*COMPONENTS, "scheduler", ADAPTERS)


Draw = Callable[[Sequence[Finding], Pixels, Indices], Pixels]
AT_ONCE = 8  # images drawn together: always as many, last digits depend on it


def save_model(pipeline: BreastUltrasoundPipeline, folder: Path) -> None:
    """Write a pipeline to `folder` in half precision, with its manifest."""
    for name in COMPONENTS:
        getattr(pipeline, name).half()
    pipeline.save_pretrained(folder, safe_serialization=True)
    for name in COMPONENTS:
        getattr(pipeline, name).float()
    for path in (folder / INDEX, *folder.glob("*/config.json")):
        record = read_json(path)
        record.pop("_name_or_path", None)  # where its weights once lay
        write_text(path, dumps(record))
    write_manifest(folder)


def write_manifest(folder: Path) -> None:
    """Write the hashes of the files in `folder` that decide images: its parts and adapters."""
    inside = [path for part in PARTS for path in (folder / part).rglob("*") if path.is_file()]
    names = sorted(path.relative_to(folder).as_posix() for path in (folder / INDEX, *inside))
    hashes = {name: sha256_file(folder / name) for name in names}
    write_text(folder / MANIFEST, dumps({"version": VERSION, "files": hashes}))


def checked_hash(folder: Path, adapter: str | None = None) -> str:
    """Return the hash of what decides the images of a folder's pipeline.

    Raises `UserError` if there is no pipeline, or no adapter of that name; `DataError` if it is of
    another version, or a file is missing or is not what the manifest says.
    """
    if not (folder / MANIFEST).is_file() or not (folder / INDEX).is_file():
        rule = f"the folder of weights must hold {INDEX} and {MANIFEST}"
        raise UserError(rule, folder, "train one: busgen train images DATA --out DIR")
    manifest = read_json(folder / MANIFEST)
    if manifest.get("version") != VERSION:
        rule = f"weights must be of version {VERSION}"
        raise DataError(rule, manifest.get("version"), "train them anew with this busgen")
    files: dict[str, str] = manifest.get("files", {})
    known = sorted(path.name for path in (folder / ADAPTERS).glob("*/"))
    if adapter is not None and adapter not in known:
        remedy = ", ".join(known) or "it has none"
        raise UserError("an adapter must be in the model's folder", repr(adapter), remedy)
    own, other = f"{ADAPTERS}/{adapter}/", f"{ADAPTERS}/"
    wanted = [name for name in files if name.startswith(own) or not name.startswith(other)]
    for name in wanted:
        if not (folder / name).is_file() or sha256_file(folder / name) != files[name]:
            rule = f"{name} must be the file that {MANIFEST} names"
            raise DataError(rule, "another or none", "restore the folder, or train anew")
    return sha256_bytes(dumps({name: files[name] for name in wanted}).encode())


def load_model(
    folder: Path, device: torch.device, adapter: str | None = None
) -> BreastUltrasoundPipeline:
    """Return the pipeline in `folder` in single precision, an adapter of its own folded in.

    Raises `DataError` if the library cannot read it, or it would run code that the folder brings.
    """
    if adapter is not None:
        require_extra("sd", "an adapter")
    disable_progress_bar()
    try:
        pipeline: BreastUltrasoundPipeline = BreastUltrasoundPipeline.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            low_cpu_mem_usage=False,  # what is asked for where accelerate is missing
        )
    except Exception as error:  # of whatever its files say
        rule, remedy = f"{folder} must hold a generator as busgen writes it", "restore the folder"
        raise DataError(rule, (str(error) or repr(error)).splitlines()[0], remedy) from error
    if adapter is not None:
        weights = load_file(folder / ADAPTERS / adapter / ADAPTER)
        pipeline.unet.load_lora_adapter(weights, prefix=None, adapter_name=adapter)
        pipeline.unet.fuse_lora()
        pipeline.unet.unload_lora()
    for name in ("autoencoder", "unet"):
        getattr(pipeline, name).to(memory_format=torch.channels_last).eval()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return pipeline


@dataclass(frozen=True)
class Engine:
    """The learned generator.

    `drawn_px` is the side that it draws, brought to `size_px`; `adapted` whether an adapter stands
    for the scanner's style.
    """

    pipeline: BreastUltrasoundPipeline
    size_px: int
    drawn_px: int
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
        return self._draw_all(findings, masks, self._draw)

    def draw_into(
        self, findings: Sequence[Finding], masks: Pixels, images: Pixels, regions: Pixels
    ) -> Pixels:
        """Return `images` (N, S, S) uint8 with lesions drawn where `regions` (N, S, S) are 1.

        S is `drawn_px`, the side of what it draws; a scanner that was not learned has no style.
        Raises `UserError` where the masks do not fit.
        """
        _check(findings, masks, self.drawn_px)

        def draw(own: Sequence[Finding], shapes: Pixels, rows: Indices) -> Pixels:
            conditions, start, grain = self._conditions(own, shapes, strange=True)
            call = conditions, start, grain, self.steps, self.guidance
            return inpainting.draw_into(self.pipeline, images[rows], regions[rows], *call)

        return self._draw_all(findings, masks, draw)

    def _draw_all(self, findings: Sequence[Finding], masks: Pixels, draw: Draw) -> Pixels:
        """Return what `draw` makes of findings, masks and their numbers, `AT_ONCE` at a time."""
        images = np.zeros(masks.shape, np.uint8)

        def draw_batch(start: int) -> None:
            torch.set_num_threads(1)  # of this thread: sums that threads share make both wait
            own = np.arange(start, min(start + AT_ONCE, len(findings)))
            batch = np.resize(own, AT_ONCE)
            drawn = draw([findings[k] for k in batch.tolist()], masks[batch], batch)
            images[own] = drawn[: own.size]

        with ThreadPoolExecutor(self.threads if self.pipeline.device.type == "cpu" else 1) as pool:
            list(pool.map(draw_batch, range(0, len(findings), AT_ONCE)))
        return images

    def _conditions(
        self, findings: Sequence[Finding], masks: Pixels, *, strange: bool = False
    ) -> tuple[Conditions, Tensor, list[Tensor]]:
        """Return what the pipeline is called with: conditions, start of the path, grain."""
        conditions = self.pipeline.encode_findings(findings, masks, strange=strange)
        if self.adapted:
            conditions = conditions.without(frozenset({"style"}))
        drawn = [_noise(f.seed, self.drawn_px, self.pipeline.channels) for f in findings]
        stacks = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        start, *grain = (stack.to(self.pipeline.device) for stack in stacks)
        return conditions, start, grain

    def _draw(self, findings: Sequence[Finding], masks: Pixels, _: Indices) -> Pixels:
        native, side = self.drawn_px, (self.size_px, self.size_px)
        small = np.stack([resize(mask * np.uint8(255), native) for mask in masks]) > 127
        call = self._conditions(findings, small.astype(np.uint8))
        images = self.pipeline(*call, self.steps, self.guidance)
        grey = np.rint(images.cpu().numpy() * 255).astype(np.uint8)
        method = cv2.INTER_AREA if self.size_px < native else cv2.INTER_CUBIC
        return np.stack([cv2.resize(image, side, interpolation=method) for image in grey])


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
    sha256, adapted = io.sha256_bytes(key.encode()), learned.adapter is not None
    return Engine(pipeline, size_px, native, threads, steps, guidance, sha256, adapted=adapted)


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
