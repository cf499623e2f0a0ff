"""Folders of Stable Diffusion 1.5 with a ControlNet: found, checked, hashed, read part by part.

In: a folder as `StableDiffusionControlNetPipeline.save_pretrained` writes it (or Stable Diffusion's
with the ControlNet in `controlnet/`), or its name on a hub. Out: its parts. Weights come from
safetensors alone, and parts by their class here, not by what the folder's index names: nothing in
a folder can run code. A safety checker in it, made for photographs, is left alone.
"""

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer

from busgen.compute.quiet import silence
from busgen.errors import DataError, UserError
from busgen.io import sha256_bytes, sha256_file

WEIGHED: dict[str, Any] = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "controlnet": ControlNetModel,
}
PARTS = (*WEIGHED, "tokenizer", "scheduler")
ADAPTERS = "adapters"
SCHEDULE = Path("scheduler") / "scheduler_config.json"  # noise levels, what is predicted
PICKLES = {".bin", ".ckpt", ".pt", ".pth"}
READ = {".json", ".safetensors", ".txt"}  # suffixes of the files that parts are read from
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
BROKEN = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def find_folder(model: str | None) -> Path:
    """Return the folder of `model`, fetched first where it is a hub's name.

    Raises `UserError` if none is named, there is no such folder, or the hub has no such model or is
    out of reach.
    """
    if model is None:
        rule = "stable_diffusion ships no weights: model must be given"
        raise UserError(rule, "none", "name a folder of Stable Diffusion 1.5 with a ControlNet")
    folder = Path(model)
    return folder if folder.is_dir() else _fetch(model)


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download

    rule = "model must be a folder, or a name on a hub that can be reached"
    remedy = "check the path, or the name and the network"
    if not HUB_NAME.fullmatch(name):
        raise UserError(rule, repr(name), remedy)
    wanted = [f"{part}/*{suffix}" for part in PARTS for suffix in sorted(READ)]
    wanted += [f"{ADAPTERS}/*/*.safetensors"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns="*.fp16.*"))
    except (OSError, ValueError) as error:
        raise UserError(rule, f"{name!r} ({type(error).__name__})", remedy) from error


def check_folder(folder: Path, *, controlnet: bool = True) -> None:
    """Raise `UserError` unless `folder` holds all parts, with weights that are no pickles.

    Without `controlnet` that part may be missing: training begins one.
    """
    for part in PARTS:
        if part == "controlnet" and not controlnet:
            continue
        if not (folder / part).is_dir():
            rule = f"a Stable Diffusion folder must hold {', '.join(PARTS)}"
            remedy = "save it with save_pretrained, and the ControlNet in its folder controlnet"
            raise UserError(rule, f"{folder} without {part}", remedy)
        files = list((folder / part).iterdir())
        if part in WEIGHED and not any(path.suffix == ".safetensors" for path in files):
            pickles = sorted(path.name for path in files if path.suffix in PICKLES)
            rule = "weights must be safetensors: reading a pickle can run code"
            again = "save them again with save_pretrained(safe_serialization=True), or restore them"
            raise UserError(rule, f"{folder / part} with {pickles or 'no weights'}", again)


def find_adapter(folder: Path, name: str) -> Path:
    """Return the one safetensors file of adapter `name`; raise `UserError` where there is none."""
    known = sorted(path.name for path in folder.glob(f"{ADAPTERS}/*/"))
    if name not in known:
        remedy = f"choose from {', '.join(known)}" if known else "the model has none: leave it out"
        raise UserError(f"adapter must be in {folder / ADAPTERS}", repr(name), remedy)
    files = sorted((folder / ADAPTERS / name).glob("*.safetensors"))
    if len(files) != 1:
        got = f"{len(files)} in {name}"
        raise UserError("an adapter must be one safetensors file", got, "save it again")
    return files[0]


def hash_folder(folder: Path, adapter: Path | None = None) -> str:
    """Return the hash of all files that the parts are read from, and of the adapter's."""
    files = sorted(path for part in PARTS for path in (folder / part).glob("*"))
    files = [path for path in files if path.suffix in READ]
    hashes = [f"{path.parent.name}/{path.name} {sha256_file(path)}" for path in files]
    hashes += [f"adapter {sha256_file(adapter)}"] if adapter else []
    return sha256_bytes("\n".join(hashes).encode())


def read_part(folder: Path, part: str, dtype: torch.dtype) -> Any:  # noqa: ANN401 - untyped
    """Return the model `part` of `WEIGHED` on the CPU, frozen, ready to infer.

    Raises `DataError` if its files are broken, or lack weights.
    """
    rule, remedy = f"{folder / part} must hold a whole {part}", "restore it"
    options = {
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "output_loading_info": True,
    }
    if part == "text_encoder":  # transformers' own option, which others do not know
        options["trust_remote_code"] = False
    try:
        with silence():
            model, info = WEIGHED[part].from_pretrained(folder / part, **options)
    except BROKEN as error:
        raise DataError(rule, error, remedy) from error
    lacking = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if lacking:
        raise DataError(rule, f"{len(lacking)} weights missing, {lacking[0]} first", remedy)
    return model.eval().requires_grad_(requires_grad=False)


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """Return the tokenizer; raise `DataError` where its files are broken."""
    try:
        found: CLIPTokenizer
        options = {"local_files_only": True, "trust_remote_code": False}
        found = CLIPTokenizer.from_pretrained(folder / "tokenizer", **options)
    except BROKEN as error:
        rule = f"{folder / 'tokenizer'} must hold a CLIP tokenizer"
        raise DataError(rule, error, "restore it") from error
    return found
