"""A trained pipeline on disk: a diffusers folder, a manifest of its files, adapters by name.

In: a pipeline, or a folder. Out: `FOLDER/model_index.json` and components as safetensors in half
precision, `adapters/NAME/`, `manifest.json` with every file's SHA-256.
"""

from pathlib import Path

import torch
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import load_file

from busgen.errors import DataError, UserError
from busgen.extras import require_extra
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.io import ASSETS, dumps, read_json, sha256_bytes, sha256_file, write_text

SHIPPED = ASSETS / "images"
MANIFEST, INDEX, ADAPTERS = "manifest.json", "model_index.json", "adapters"
ADAPTER = "pytorch_lora_weights.safetensors"  # as diffusers names it
KIND = "generator of images"
VERSION = 3  # of the folder's form: what other versions hold is not read
COMPONENTS = ("autoencoder", "ranges", "tokens", "unet")
PARTS = (*COMPONENTS, "scheduler", ADAPTERS)


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
    files: dict[str, str] = manifest["files"]
    if adapter is not None and not (folder / ADAPTERS / adapter).is_dir():
        known = sorted(path.name for path in (folder / ADAPTERS).glob("*")) or ["none"]
        raise UserError("an adapter must be in the model's folder", adapter, ", ".join(known))
    wanted = [name for name in files if _is_used(name, adapter)]
    for name in wanted:
        if not (folder / name).is_file() or sha256_file(folder / name) != files[name]:
            rule = f"{name} must be the file that {MANIFEST} names"
            raise DataError(rule, "another or none", "restore the folder, or train anew")
    return sha256_bytes(dumps({name: files[name] for name in wanted}).encode())


def _is_used(name: str, adapter: str | None) -> bool:
    return not name.startswith(f"{ADAPTERS}/") or name.startswith(f"{ADAPTERS}/{adapter}/")


def load_model(
    folder: Path, device: torch.device, adapter: str | None = None
) -> BreastUltrasoundPipeline:
    """Return the pipeline in `folder` in single precision, an adapter of its own folded in."""
    if adapter is not None:
        require_extra("sd", "an adapter")
    disable_progress_bar()
    pipeline: BreastUltrasoundPipeline = BreastUltrasoundPipeline.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        dtype=torch.float32,
        low_cpu_mem_usage=False,  # what is asked for where accelerate is missing
    )
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
