"""A user's own feature extractor by path, e.g. Inception-v3 for FID by the book.

In: a TorchScript file, or a folder of the transformers library (config.json, model.safetensors);
(N, S, S) uint8 images. Out: (N, D) features. Images are resized as clean-fid does (Parmar 2022,
arXiv 2104.11222): bicubic, with antialiasing, in floating point.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from busgen.arrays import Floats, Floats32, Pixels
from busgen.compute.devices import torch_threads
from busgen.errors import DataError, UserError
from busgen.extras import require_extra
from busgen.io import read_json, sha256_file, sha256_files

CONFIG, WEIGHTS, SEEN = "config.json", "model.safetensors", "preprocessor_config.json"
POOLER = "pooler"  # what pools is often left out of weights: it is not needed
AUTO_MAP = "auto_map"  # names code in the folder
CHUNK, MAX_SIDE_PX = 8, 2048

Levels = tuple[float, float, float]


class Spec(NamedTuple):
    """How a network sees images: (N, 3, `side_px`, `side_px`), (grey - `centre`) / `scale`.

    By default as Inception-v3 does: 299 px, in [-1, 1).
    """

    side_px: int = 299
    centre: Levels = (128.0, 128.0, 128.0)
    scale: Levels = (128.0, 128.0, 128.0)

    def to_input(self, images: Pixels) -> Tensor:
        """Return images (N, S, S) uint8 as the network takes them."""
        grey = torch.from_numpy(np.stack([resize(image, self.side_px) for image in images]))
        centre, scale = (torch.tensor(x).view(3, 1, 1) for x in (self.centre, self.scale))
        return (grey[:, None] - centre) / scale


class FeatureSpace(NamedTuple):
    """A network from images as it sees them to features; `sha256` is of its files."""

    net: Callable[[Tensor], Any]
    sha256: str
    spec: Spec = Spec()

    def embed(self, images: Pixels) -> Floats:
        """Return features (N, D) of square images (N, S, S) uint8.

        Raises `UserError` if the network does not take such images, or gives anything but finite
        numbers.
        """
        parts = []
        with torch_threads(), torch.inference_mode():
            for start in range(0, len(images), CHUNK):
                parts.append(self._measure(self.spec.to_input(images[start : start + CHUNK])))
        return np.concatenate(parts)

    def _measure(self, inputs: Tensor) -> Floats:
        try:
            record = self.net(inputs)
        except (RuntimeError, TypeError, ValueError) as error:
            side = self.spec.side_px
            rule = f"a feature extractor must take (N, 3, {side}, {side}) float32"
            raise UserError(rule, str(error).strip()[-200:], "wrap it, then trace it") from error
        if not isinstance(record, Tensor) or len(record) != len(inputs):
            rule = "a feature extractor must give one row of numbers an image"
            raise UserError(rule, type(record).__name__, "wrap it so that it returns the features")
        if not bool(torch.isfinite(record).all()):
            rule = "a feature extractor must give finite numbers"
            got = f"others for {int((~torch.isfinite(record)).flatten(1).any(dim=1).sum())} images"
            raise UserError(rule, got, "check it on blank images, or leave those out")
        return np.asarray(record.flatten(1).double().numpy())


def load_model(path: Path, *, allow_code: bool = False) -> FeatureSpace:
    """Return the extractor of a TorchScript file or of a folder of the transformers library.

    TorchScript is a program, which can write files: it runs only with `allow_code`. Code that a
    folder brings is never run.

    Of StyleGAN's `inception-2015-12-05.pt` the part `layers` is asked, as clean-fid does: the whole
    would resize the images again. A folder's `preprocessor_config.json` says how images are seen;
    of its model the pooled features are taken, else the mean over the last ones. Raises `UserError`
    if there is no such file or folder, or it may not run; `DataError` if it is no TorchScript, or
    no whole model.
    """
    if path.is_dir():
        return _pretrained(path)
    if not path.is_file():
        raise UserError("a feature extractor must be a file or folder", str(path), "check the path")
    if not allow_code:
        rule = "TorchScript, a program that can write files, must be allowed to run"
        remedy = "where you trust it: --allow-code, quality.allow_code; else a transformers folder"
        raise UserError(rule, path.name, remedy)
    try:
        net = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        rule = f"{path.name} must be a TorchScript file"
        got = str(error).strip().splitlines()[-1]
        raise DataError(rule, got, "save it with torch.jit.trace(...).save(PATH)") from error
    return FeatureSpace(getattr(net, "layers", net), sha256_file(path))


def resize(image: Pixels, side_px: int) -> Floats32:
    """Return an image as (side_px, side_px) float32 in [0, 255]: Pillow's bicubic, antialiased."""
    grey = Image.fromarray(image.astype(np.float32))
    small = grey.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32).clip(0, 255)


def _pretrained(folder: Path) -> FeatureSpace:
    """Return the extractor of a folder that transformers' `save_pretrained` wrote."""
    require_extra("sd", "a folder of the transformers library")
    from transformers import AutoModel

    from busgen.compute.quiet import silence

    rule = f"{folder} must be a model of the transformers library, {CONFIG} and {WEIGHTS}"
    remedy = "write it with model.save_pretrained(FOLDER)"
    options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    options |= {"trust_remote_code": False}
    if (folder / CONFIG).is_file() and AUTO_MAP in _keys(read_json(folder / CONFIG)):
        own = f"leave {AUTO_MAP} out, where the library has the model itself"
        raise DataError("code that a folder brings is never run", f"{AUTO_MAP} in {CONFIG}", own)
    try:
        with silence():
            model, record = AutoModel.from_pretrained(folder, **options)
        seen = _known(folder, model.config)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        got = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(rule, got, remedy) from error
    lacking = sorted(map(str, [*record["missing_keys"], *record["mismatched_keys"]]))
    others = [name for name in lacking if POOLER not in name]
    if others:
        raise DataError(rule, f"{len(others)} weights missing, {others[0]} first", remedy)
    net = getattr(model, "vision_model", model).eval()  # of CLIP and its like, beside a text model

    def embed(inputs: Tensor) -> Tensor:
        record = net(pixel_values=inputs)
        pooled: Tensor | None = getattr(record, "pooler_output", None)
        if pooled is not None and not lacking:
            return pooled
        last: Tensor = record.last_hidden_state  # (N, tokens, D), or (N, D, rows, columns)
        return last.mean(dim=1) if last.ndim == 3 else last.flatten(2).mean(dim=2)

    files = [folder / name for name in (CONFIG, WEIGHTS, SEEN) if (folder / name).is_file()]
    return FeatureSpace(embed, sha256_files(files), seen)


def _keys(record: dict[str, Any] | list[Any]) -> Iterator[str]:
    """Yield the keys of a record and of all in it."""
    if isinstance(record, dict):
        yield from record
    for inner in record.values() if isinstance(record, dict) else record:
        if isinstance(inner, dict | list):
            yield from _keys(inner)


def _known(folder: Path, config: object) -> Spec:
    """Return how a folder's model sees images, of three channels like ImageNet's by default."""
    own = read_json(folder / SEEN) if (folder / SEEN).is_file() else {}
    size = own.get("crop_size") or own.get("size") or getattr(config, "image_size", None) or 224
    side = size if isinstance(size, int) else size.get("height") or size["shortest_edge"]
    if not 1 <= int(side) <= MAX_SIDE_PX:
        raise ValueError(f"it must see images of at most {MAX_SIDE_PX} px, got {side}")
    mean, sd = own.get("image_mean", [0.5] * 3), own.get("image_std", [0.5] * 3)
    centre, scale = (tuple(255.0 * float(x) for x in levels) for levels in (mean, sd))
    return Spec(int(side), (centre[0], centre[1], centre[2]), (scale[0], scale[1], scale[2]))
