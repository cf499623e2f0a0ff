"""The judges at work: loaded from a folder, asked for lesions and for classes.

In: square crops (N, H, W) uint8, masks {0, 1}. Out: lesion probabilities (N, H, W), calibrated
probabilities of malignant (N,). An image's answer does not depend on what is asked beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from busgen.arrays import Floats, Floats32, Pixels
from busgen.compute.devices import resolve_device, torch_threads
from busgen.errors import DataError, UserError
from busgen.imaging import square
from busgen.imaging.decode import Box, bounding_box
from busgen.io import ASSETS, dumps, read_json, replace_file, sha256_files, write_text
from busgen.judges import nets
from busgen.learning.checkpoints import halve, select_prefix

SHIPPED = ASSETS / "judges"
SPEC = "judges.json"
NAMES = ("segmenter", "classifier")
FILES = tuple(f"{name}.safetensors" for name in NAMES)
CHUNK = 16  # images at a time: the fastest on two cores, and little memory
THREADS = 1  # threads that share a sum wait for each other: batches side by side cost a third


@dataclass(frozen=True)
class Window:
    """A rectangle of an image in pixels, which may leave it: first row and column, sides."""

    row: float
    col: float
    height: float
    width: float

    def crop(self, pixels: Pixels, size_px: int) -> Pixels:
        """Return the window of an image (H, W) uint8 as (size_px, size_px), black outside of it.

        Shrinking averages over pixel areas, enlarging is bilinear.
        """
        height, width = max(round(self.height), 1), max(round(self.width), 1)
        part = square.crop(pixels, round(self.row), round(self.col), height, width)
        return square.resize(part, size_px)


def window_around(box: Box, context: float) -> Window:
    """Return the square window centred on `box`, `context` times its longer side."""
    side = max(context * max(box.height, box.width), 8.0)
    row, col = box.row + box.height / 2, box.col + box.width / 2
    return Window(row - side / 2, col - side / 2, side, side)


@dataclass(frozen=True)
class SegmenterSpec:
    """Shape of the segmenters: side of the input, widths of the levels, number of members.

    `offset` is added to the logit of their mean probability, so that .5 is where a lesion ends;
    `lite` the number of the EfficientNet-Lite that they see through, None for small networks.
    """

    size_px: int
    widths: tuple[int, ...]
    members: int
    offset: float = 0.0
    lite: int | None = None

    def channels(self, number: int) -> int:
        """Return what every member sees: 1, the image."""
        return 1

    def build(self, number: int) -> nn.Module:
        """Return member `number`, weights as torch draws them."""
        if self.lite is not None:
            return nets.LiteSegmenter(self.lite, self.widths)
        return nets.Segmenter(self.widths)


@dataclass(frozen=True)
class ClassifierSpec:
    """Shape of the classifiers, and how their mean logit becomes a probability.

    `context` side of the window in longer sides of the lesion's box; `blind` how many members,
    the last ones, see the image alone: the others see the lesion's mask as a second channel, and
    could judge by its outline; `slope`, `intercept` of Platt's scaling; `lite` as of segmenters.
    """

    size_px: int
    widths: tuple[int, ...]
    members: int
    context: float
    blind: int
    slope: float = 1.0
    intercept: float = 0.0
    lite: int | None = None

    def channels(self, number: int) -> int:
        """Return what member `number` sees: 2, image and mask, or 1, the image."""
        return 1 if number >= self.members - self.blind else 2

    def build(self, number: int) -> nn.Module:
        """Return member `number`, weights as torch draws them."""
        if self.lite is not None:
            return nets.LiteClassifier(self.lite)
        return nets.Classifier(self.channels(number), self.widths)


@dataclass(frozen=True)
class Judges:
    """An ensemble of segmenters and one of classifiers; `sha256` of all that decides answers."""

    segmenter: SegmenterSpec
    classifier: ClassifierSpec
    segmenters: tuple[nn.Module, ...]
    classifiers: tuple[nn.Module, ...]
    device: str
    sha256: str

    def segment(self, images: Pixels) -> Floats32:
        """Return the calibrated probability (N, H, W) that a pixel is lesion, the members' mean.

        `images` (N, H, W) uint8 are square crops of any size.
        """
        _check(images)
        found = np.empty(images.shape, np.float32)
        side, size = self.segmenter.size_px, images.shape[1:]
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            inputs = to_input(
                np.stack([square.resize(one, side) for one in part])[:, None], self.device
            )
            with torch_threads(THREADS), torch.inference_mode():
                each = [net(inputs).sigmoid()[:, 0] for net in self.segmenters]
                logits = torch.stack(each).mean(dim=0).logit(eps=1e-6) + self.segmenter.offset
                mean = logits.sigmoid().cpu().numpy()
            for index, grid in enumerate(mean, start):
                found[index] = cv2.resize(grid, size[::-1], interpolation=cv2.INTER_LINEAR)
        return found

    def classify(self, images: Pixels, masks: Pixels) -> Floats:
        """Return the calibrated probability (N,) that each lesion is malignant, NaN without one.

        `images` and `masks` (N, H, W) uint8 are square crops and {0, 1} masks of their lesions.
        """
        scaled = self.classifier.slope * self.logits(images, masks) + self.classifier.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-scaled)), np.float64)

    def logits(self, images: Pixels, masks: Pixels) -> Floats:
        """Return the classifiers' mean logit before calibration, (N,) float64, NaN as above."""
        _check(images)
        if masks.shape != images.shape:
            raise UserError("images and masks must have one shape", masks.shape, "pair them")
        found = np.full(len(images), np.nan)
        for start in range(0, len(images), CHUNK):
            pairs = zip(images[start : start + CHUNK], masks[start : start + CHUNK], strict=True)
            seen = {k: crop(*pair, self.classifier) for k, pair in enumerate(pairs, start)}
            full = {k: v for k, v in seen.items() if v is not None}
            if full:
                inputs = to_input(np.stack(list(full.values())), self.device)
                with torch_threads(THREADS), torch.inference_mode():
                    each = [
                        net(inputs[:, : self.classifier.channels(number)]).double()
                        for number, net in enumerate(self.classifiers)
                    ]
                    found[list(full)] = torch.stack(each).mean(dim=0).cpu().numpy()
        return found


def crop(image: Pixels, mask: Pixels, spec: ClassifierSpec) -> Pixels | None:
    """Return what classifiers see, image and mask (2, size, size), None without lesion."""
    box = bounding_box(mask)
    if box is None:
        return None
    window, pair = window_around(box, spec.context), (image, mask * np.uint8(255))
    return np.stack([window.crop(pixels, spec.size_px) for pixels in pair])


def to_input(views_: Pixels, device: str) -> Tensor:
    """Return (N, C, S, S) uint8 as float tensor in [0, 1], channels last: twice as fast."""
    scaled = torch.from_numpy(views_).to(device).float().div_(255.0)
    return scaled.contiguous(memory_format=torch.channels_last)


def load_judges(folder: Path | None = None, device: str = "auto") -> Judges:
    """Return the judges that `save_model` wrote to `folder`, by default those that ship.

    `device` is ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"``: a GPU where there is one. Raises
    `DataError` if files are missing, altered, or do not fit each other.
    """
    folder = folder or SHIPPED
    record = read_json(folder / SPEC)
    place = str(resolve_device(device))
    try:
        shapes = [record[name] | {"widths": tuple(record[name]["widths"])} for name in NAMES]
        specs = SegmenterSpec(**shapes[0]), ClassifierSpec(**shapes[1])
        members = [_load(folder / FILES[k], specs[k], place) for k in range(2)]
        digest = sha256_files(folder / name for name in (SPEC, *FILES))
        return Judges(*specs, members[0], members[1], place, digest)
    except (KeyError, TypeError, RuntimeError, OSError, SafetensorError) as error:
        rule = f"{folder} must hold whole judges"
        raise DataError(rule, error, "restore it, or train it: busgen train judges") from error


def save_model(
    folder: Path,
    segmenter: tuple[SegmenterSpec, Sequence[Mapping[str, Tensor]]],
    classifier: tuple[ClassifierSpec, Sequence[Mapping[str, Tensor]]],
) -> None:
    """Write shapes and weights of both ensembles; weights as 16-bit floats, half the size."""
    both = dict(zip(NAMES, (segmenter, classifier), strict=True))
    for file, (_, members) in zip(FILES, both.values(), strict=True):
        named: dict[str, Tensor] = {}
        for number, weights in enumerate(members):
            named |= halve(weights, f"{number}/")
        with replace_file(folder / file) as partial:
            save_file(named, partial)
    write_text(folder / SPEC, dumps({name: vars(spec) for name, (spec, _) in both.items()}))


def _load(path: Path, spec: SegmenterSpec | ClassifierSpec, device: str) -> tuple[nn.Module, ...]:
    stored = load_file(path, device=device)
    members = []
    for number in range(spec.members):
        net = spec.build(number)
        net.load_state_dict(select_prefix(f"{number}/", stored))  # halves become floats
        members.append(nets.channels_last(net.to(device)).eval())
    return tuple(members)


def _check(images: Pixels) -> None:
    if images.ndim != 3 or images.dtype != np.uint8:
        got = f"{images.shape} {images.dtype}"
        raise UserError("images must be (N, H, W) uint8", got, "stack square crops")
