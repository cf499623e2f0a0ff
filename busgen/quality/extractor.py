"""A user's own feature extractor, e.g. Inception-v3 for FID by the book: TorchScript, by path.

In: a TorchScript file, (N, S, S) uint8 pictures. Out: (N, D) features. Pictures are resized as
clean-fid does (Parmar 2022, arXiv 2104.11222): bicubic, with antialiasing, in floating point.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from busgen.errors import DataError, UserError
from busgen.io import sha256_file
from busgen.quality.threads import one_thread

SIDE = 299  # of Inception-v3's pictures, px
CHUNK = 8


@dataclass(frozen=True)
class Extractor:
    """A network from (N, 3, 299, 299) in [-1, 1) to features; `sha256` is of its file."""

    net: nn.Module
    sha256: str

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return features (N, D) of square pictures (N, S, S) uint8.

        Raises
        ------
        UserError
            If the network does not take such pictures, or gives anything but finite numbers.
        """
        parts = []
        with one_thread(), torch.inference_mode():
            for start in range(0, len(images), CHUNK):
                parts.append(self._features(inputs(images[start : start + CHUNK])))
        return np.concatenate(parts)

    def _features(self, seen: Tensor) -> NDArray[np.float64]:
        try:
            told = self.net(seen)
        except RuntimeError as error:
            rule = "a feature extractor must take (N, 3, 299, 299) float32"
            raise UserError(rule, str(error).strip()[-200:], "wrap it, then trace it") from error
        if not isinstance(told, Tensor) or len(told) != len(seen):
            rule = "a feature extractor must give one row of numbers a picture"
            raise UserError(rule, type(told).__name__, "wrap it so that it returns the features")
        if not bool(torch.isfinite(told).all()):
            rule = "a feature extractor must give finite numbers"
            got = f"others for {int((~torch.isfinite(told)).flatten(1).any(dim=1).sum())} pictures"
            raise UserError(rule, got, "check it on blank pictures, or leave those out")
        return np.asarray(told.flatten(1).double().numpy())


def load_extractor(path: Path) -> Extractor:
    """Return the extractor of a TorchScript file.

    Of StyleGAN's `inception-2015-12-05.pt` the part `layers` is asked, as clean-fid does: the
    whole would resize the pictures again.

    Raises
    ------
    UserError
        If there is no such file.
    DataError
        If it is no TorchScript.
    """
    if not path.is_file():
        raise UserError("a feature extractor must be a file", str(path), "check the path")
    try:
        net = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        rule = f"{path.name} must be a TorchScript file"
        got = str(error).strip().splitlines()[-1]
        raise DataError(rule, got, "save it with torch.jit.trace(...).save(PATH)") from error
    return Extractor(getattr(net, "layers", net), sha256_file(path))


def inputs(images: NDArray[np.uint8]) -> Tensor:
    """Return pictures (N, S, S) uint8 as Inception takes them, (N, 3, 299, 299) in [-1, 1)."""
    seen = np.stack([resized(image) for image in images])
    return ((torch.from_numpy(seen) - 128) / 128)[:, None].repeat(1, 3, 1, 1)


def resized(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a picture as (299, 299) float32 in [0, 255]: Pillow's bicubic, which antialiases."""
    grey = Image.fromarray(image.astype(np.float32))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32).clip(0, 255)
