"""Learn what an overlay's stroke looks like, from overlays planted into real images.

In: grey images of training patients. Out: weights of a `StrokeNet`. First on images without
overlays; then on all, where what the first network finds is left out of the examples of tissue.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.neural_network import MLPClassifier

from busgen.arrays import Bools, Floats32, Indices, Pixels
from busgen.errors import UserError
from busgen.imaging.overlays import find
from busgen.imaging.overlays.find import StrokeNet
from busgen.imaging.overlays.planted import KINDS, plant_overlays
from busgen.io import decode_png
from busgen.real.cohort import find_tables, read_rows

HIDDEN = (48, 16)
SEVERAL = (*KINDS, "text", "caliper", "caliper", "logo")  # planted into each image
STROKES, TISSUE = 400, 800  # examples of each taken from an image
DOUBT = 2.0  # log odds above which a pixel of a published image is no example of tissue
MARGIN = np.ones((17, 17), np.uint8)  # px around such a pixel
CLEAN, EVERY = "breast", 4  # the dataset without overlays; of the others every fourth image
SMALLEST = 96  # px a side: smaller images have no room for what is planted

Example = tuple[Floats32, NDArray[np.int64]]


def fit(
    images: Iterable[Pixels],
    rng: np.random.Generator,
    *,
    known: StrokeNet | None = None,
    epochs: int = 6,
) -> StrokeNet:
    """Return a network fitted to strokes planted into images.

    `images`: (H, W) uint8, at least `SMALLEST` px a side; without overlays unless `known` is given;
    `rng`: draws the overlays, the changes of size and contrast, and the examples; `known`: a
    network that tells which pixels of the images may be overlays already; `epochs`: passes over the
    examples.
    """
    examples = [make_examples(image, rng, known) for image in images]
    inputs = np.concatenate([x for x, _ in examples])
    strokes = np.concatenate([y for _, y in examples])
    seed = int(rng.integers(2**31))
    model = MLPClassifier(
        HIDDEN, alpha=1e-4, batch_size=512, learning_rate_init=2e-3, random_state=seed
    )
    for epoch in range(epochs):
        model.set_params(learning_rate_init=2e-3 * 0.7**epoch)
        model.partial_fit(inputs, strokes, classes=[0, 1])
    pairs = zip(model.coefs_, model.intercepts_, strict=True)
    layers = tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in pairs)
    return find.build_network(StrokeNet(layers).arrays())  # as it will be stored


def make_examples(image: Pixels, rng: np.random.Generator, known: StrokeNet | None) -> Example:
    """Return features and {0, 1} of strokes and of tissue in one image with planted overlays."""
    image = _vary(image, rng)
    planted = plant_overlays(image, rng, SEVERAL)
    strokes = np.any([overlay.strokes for overlay in planted.overlays], axis=0)
    tissue = ~planted.touched
    if known is not None:
        doubtful = (find.log_odds(image, known) > DOUBT).astype(np.uint8)
        tissue &= cv2.dilate(doubtful, MARGIN) == 0
    request = find.find_candidates(planted.image)
    chosen = [_pick(strokes & request, STROKES, rng), _pick(tissue & request, TISSUE, rng)]
    places = np.concatenate(chosen)
    truth = np.repeat([1, 0], [len(part) for part in chosen])
    return find.measure(planted.image, places[:, 0], places[:, 1]), truth


def _vary(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the image mirrored, smaller or of harder contrast, at times."""
    if rng.random() < 0.5:
        factor = max(rng.uniform(0.35, 1.0), SMALLEST / min(image.shape))
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        harder = (image - rng.uniform(0, 20)) * rng.uniform(1.0, 2.5)
        image = harder.clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image


def _pick(which: Bools, most: int, rng: np.random.Generator) -> Indices:
    """Return (row, col) of at most `most` of the pixels."""
    places = np.argwhere(which)
    return places[rng.permutation(len(places))[:most]]


def fit_overlays(folder: Path, out: Path) -> None:
    """Fit to the training patients in `folder` (`busgen real ... --out`), write weights to `out`.

    BrEaST's images count as clean (by eye 46 of 48 are); of the others every fourth is taken.
    """
    rows = read_rows(find_tables(folder), folder / "cohort", splits=("train",), columns=["image"])
    clean: list[Pixels] = []
    others: list[Pixels] = []
    passed = 0
    for row in rows:
        passed += row["dataset"] != CLEAN
        if row["dataset"] == CLEAN or passed % EVERY == 0:
            image = decode_png(row["image"]["bytes"], row["sample_id"])
            (clean if row["dataset"] == CLEAN else others).append(image)
    first, second = ([x for x in p if min(x.shape) >= SMALLEST] for p in (clean, others))
    if not first:
        rule = f"real data must hold training patients of {CLEAN}"
        raise UserError(rule, "none", "read it too: its images are without overlays")
    rng = np.random.default_rng(3)
    known = fit([image for image in first for _ in range(2)], rng)
    save_file(fit([*first, *second], rng, known=known).arrays(), out / find.WEIGHTS.name)
