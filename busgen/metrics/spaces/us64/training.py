"""Training of `us64` on crops of training patients, the same bytes for the same seed.

In: crops. Out: a folder that `load_space` reads. The network learns what an image shows (class,
scanner, statistics) and how it was spoilt, if so; what it answers from becomes the space. Spoilt
images keep their anatomy, not their texture, as poor generators' do. Its
minute of steps needs no checkpoint, no average and no folder, so it takes the steps of
`busgen.training_loop` without its `run`.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from busgen import seeds
from busgen.arrays import Floats, Floats32, Pixels
from busgen.compute.devices import autocast, torch_threads
from busgen.errors import UserError
from busgen.gates.calibration.faults import to_levels
from busgen.imaging.square import resize
from busgen.imaging.statistics import MEASURED, measure_image
from busgen.judges.judges import to_input
from busgen.judges.nets import seed_network
from busgen.judges.training.fit import rate_share
from busgen.learning.checkpoints import halve
from busgen.learning.trainees import set_rate, take_step
from busgen.metrics.spaces.us64 import features as space
from busgen.metrics.spaces.us64.features import Spec, mean
from busgen.real.cohort import FILE, find_tables
from busgen.real.crops import Crops, probabilities, read_shippable
from busgen.seeds import Rng

LABELS = ("benign", "malignant", "normal")
STATISTICS = tuple(name for name in MEASURED if not name.endswith("_mm"))
FLOOR = 0.02  # of the largest variance: axes that vary less are not blown up to 1
UNKNOWN = -100  # target that costs nothing


def blur(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels blurred by .6 to 2 px."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.6, 2.0)), np.uint8)


def _sharpen(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with edges raised by .4 to 1.5 of what a blur of 1.2 px takes away."""
    grey = pixels.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.2)
    return to_levels(grey + np.float32(rng.uniform(0.4, 1.5)) * fine)


def add_noise(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with white noise of 3 to 16 grey levels, which no scanner's speckle is."""
    noise = rng.standard_normal(pixels.shape, np.float32)
    return to_levels(pixels.astype(np.float32) + np.float32(rng.uniform(3, 16)) * noise)


def resample(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels shrunk to .35 to .75 of their side and enlarged again."""
    size = pixels.shape[::-1]
    share = rng.uniform(0.35, 0.75)
    small = (round(size[0] * share), round(size[1] * share))
    less = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
    return np.asarray(cv2.resize(less, size, interpolation=method), np.uint8)


def compress(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels after a JPEG of quality 8 to 45."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(8, 46))]
    data = cv2.imencode(".jpg", pixels, quality)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _smooth(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with speckle smoothed away and edges kept, as regression to a mean does."""
    levels = rng.uniform(15, 60)
    return np.asarray(cv2.bilateralFilter(pixels, 7, levels, rng.uniform(1.0, 3.0)), np.uint8)


def respeckle(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels whose texture is noise of the same strength and of another grain."""
    grey = pixels.astype(np.float32)
    coarse = cv2.GaussianBlur(grey, (0, 0), rng.uniform(2.0, 4.0))
    strength = np.sqrt(cv2.GaussianBlur((grey - coarse) ** 2, (0, 0), 4.0))
    grain = rng.uniform(0.5, 2.5, 2)
    noise = rng.standard_normal(pixels.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=grain[0], sigmaY=grain[1])
    return to_levels(coarse + strength * noise / noise.std())


def _add_grid(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with a faint lattice of 2, 4 or 8 px, as transposed convolutions leave it."""
    step = int(rng.choice([2, 4, 8]))
    tile = rng.standard_normal((step, step), np.float32)
    rows, cols = (-(-length // step) for length in pixels.shape)
    lattice = np.tile(tile - tile.mean(), (rows, cols))[: pixels.shape[0], : pixels.shape[1]]
    return to_levels(pixels.astype(np.float32) + np.float32(rng.uniform(2, 7)) * lattice)


WAYS = (blur, _sharpen, add_noise, resample, compress, _smooth, respeckle, _add_grid)


class Recipe(NamedTuple):
    """How long and how fast the network learns; `rate` peak of a one-cycle learning rate."""

    steps: int = 600
    batch: int = 16
    rate: float = 3e-3
    decay: float = 0.05
    half_precision: bool = True


class Examples(NamedTuple):
    """What is known of the crops: class and scanner (N,), standardised statistics (N, K) or NaN."""

    labels: NDArray[np.int64]
    scanners: NDArray[np.int64]
    statistics: Floats32


def train(
    crops: Crops,
    folder: Path,
    seed: int = 0,
    spec: Spec | None = None,
    recipe: Recipe | None = None,
) -> None:
    """Train the space on crops of training patients and write it to `folder`.

    `seed` decides initial weights, draws, mirrors and how images are spoilt; `spec` and `recipe`
    are the shipped ones by default. Raises `UserError` if there are no more crops than dimensions.
    """
    spec, recipe = spec or Spec(), recipe or Recipe()
    if len(crops) <= spec.dimensions:
        rule = f"{spec.dimensions} dimensions need more crops than that"
        raise UserError(rule, len(crops), "name more datasets in real.datasets")
    images = np.stack([resize(np.asarray(one), spec.size_px) for one in crops.images])
    with torch_threads():
        weights = halve(_learn(images, crops, seed, (spec, recipe)), "net/")
    features = space.embed(space.load_network(spec, weights), images, spec.size_px)
    space.save_model(folder, spec, weights, *principal_axes(features, spec.dimensions))


def fit_us64(real: Path, folder: Path) -> None:
    """Train the space that ships on what `busgen real ... --out` wrote to the folder `real`."""
    tables, cohort = find_tables(real), real / "cohort" / FILE
    train(read_shippable(tables, cohort)["train"], folder)


def principal_axes(features: Floats, dimensions: int) -> tuple[Floats, Floats]:
    """Return mean (F,) and axes (F, D) along which features vary most, scaled to variance 1.

    Variances below `FLOOR` of the largest are scaled less: they are mostly noise.
    """
    centre = features.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(features - centre, rowvar=False))
    variances, axes = variances[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return centre, axes / np.sqrt(variances + FLOOR * variances[0])


def make_examples(crops: Crops) -> Examples:
    """Return what the crops teach; statistics are standardised over them."""
    known = {label: number for number, label in enumerate(LABELS)}
    labels = np.array([known.get(str(label), UNKNOWN) for label in crops.labels])
    pairs = zip(np.asarray(crops.images), np.asarray(crops.masks), strict=True)
    measured = [measure_image(image, mask, None) for image, mask in pairs]
    table = np.array([[one.get(name, np.nan) for name in STATISTICS] for one in measured])
    spread = np.nanstd(table, axis=0)
    table = (table - np.nanmean(table, axis=0)) / np.where(spread > 0, spread, 1)
    scanners = np.unique(crops.scanners, return_inverse=True)[1]
    return Examples(labels, scanners.astype(np.int64), np.clip(table, -4, 4).astype(np.float32))


def _learn(
    images: Pixels, crops: Crops, seed: int, shape: tuple[Spec, Recipe]
) -> dict[str, Tensor]:
    spec, recipe = shape
    lesson = make_examples(crops)
    tasks = {"label": len(LABELS), "scanner": int(lesson.scanners.max()) + 1}
    tasks |= {"statistics": len(STATISTICS), "spoilt": len(WAYS) + 1}
    net = seed_network(lambda: space.MultiTask(spec.build(), tasks), seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    rng, weights = seeds.rng(seed, "us64"), probabilities(crops, labelled=False)
    for step in range(recipe.steps):
        set_rate(optimiser, recipe.rate * rate_share(step / recipe.steps))
        chosen = np.tile(rng.choice(len(images), recipe.batch // 2, p=weights), 2)
        pictures, ways = _images(images, chosen, rng)
        with autocast(torch.device("cpu"), recipe.half_precision):
            answers = net(to_input(pictures[:, None], "cpu"))
        take_step(net, optimiser, compute_loss(answers, lesson, chosen, ways))
    return dict(net.get_submodule("embedder").state_dict())


def _images(
    images: Pixels, chosen: NDArray[np.int64], rng: Rng
) -> tuple[Pixels, NDArray[np.int64]]:
    """Return halves of images, some mirrored, and how each is spoilt: 0, the first ones, not.

    Halves are of full depth: the network takes means over columns, and learns twice as fast so.
    `chosen` names each image twice, so that only what is spoilt tells the two apart.
    """
    side = images.shape[1]
    ways = rng.integers(len(WAYS), size=len(chosen)) + 1
    ways[: len(chosen) // 2] = 0
    pictures = []
    for number, way in zip(chosen, ways, strict=True):
        left = rng.integers(side - side // 2 + 1)
        image = images[number, :, left : left + side // 2]
        image = np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)
        pictures.append(WAYS[way - 1](image, rng) if way else image)
    return np.stack(pictures), ways


def compute_loss(
    answers: dict[str, Tensor], lesson: Examples, chosen: NDArray[np.int64], ways: NDArray[np.int64]
) -> Tensor:
    """Return the loss of answers to the tasks; statistics of spoilt images are not known."""
    record = {name: answer.float() for name, answer in answers.items()}
    wanted = torch.from_numpy(lesson.statistics[chosen])
    known = ~wanted.isnan() & torch.from_numpy(ways == 0)[:, None]
    misses = smooth_l1_loss(record["statistics"], wanted.nan_to_num(), reduction="none")
    labels = torch.from_numpy(lesson.labels[chosen])
    entropy = cross_entropy(record["label"], labels, reduction="none", ignore_index=UNKNOWN)
    return (
        mean(entropy, labels != UNKNOWN)
        + cross_entropy(record["scanner"], torch.from_numpy(lesson.scanners[chosen]))
        + 4 * mean(misses, known)
        + 2 * cross_entropy(record["spoilt"], torch.from_numpy(ways))
    )
