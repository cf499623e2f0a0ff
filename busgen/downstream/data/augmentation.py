"""How images are changed while a model learns from them: our own changes, or those of libraries.

In: a view of an image and its masks, a generator. Out: a view whose label still holds. `ultrasound`
are the artefacts of usaugment (Tupper 2025, arXiv 2501.13193): attenuation, shadows, haze,
smoothed speckle. `trivial` is one change at random, as strong as chance will have it
(TrivialAugment, Müller 2021, arXiv 2103.10158), by albumentations; nothing is flipped upside down:
depth has a direction. Windows and mirrors are ours with each (`busgen.judges.training.batches`).
"""

import random
from collections.abc import Callable
from functools import cache

import numpy as np

from busgen.arrays import Pixels
from busgen.errors import UserError
from busgen.extras import require_extra
from busgen.judges.training.batches import Change
from busgen.seeds import Rng

AUGMENTATIONS = ("own", "ultrasound", "trivial")
WHITE = np.float32(255)
OFTEN = 0.5  # each artefact of `ultrasound`
SHIFT, TURN, SHEAR, LIGHT = 0.3, 30, 20, 0.6  # the most that `trivial` changes: sides, degrees


def load_change(name: str) -> Change | None:
    """Return what changes a view, None for our own; `UserError` if it is unknown or not installed.

    It takes an image and masks (1 + M, S, S) uint8 and a generator, and returns the same.
    """
    if name not in AUGMENTATIONS:
        rule = "an augmentation must be known"
        raise UserError(rule, repr(name), f"choose from {', '.join(AUGMENTATIONS)}")
    if name == "own":
        return None
    require_extra("downstream", f"the augmentation {name}")
    return _add_artefacts if name == "ultrasound" else _change_once


@cache
def _artefacts() -> tuple[Callable[..., dict[str, Pixels]], ...]:
    import albumentations
    from usaugment import albumentations as ultrasound

    names = ("DepthAttenuation", "GaussianShadow", "HazeArtifact", "SpeckleReduction")
    targets = {"additional_targets": {"scan_mask": "mask"}}
    return tuple(albumentations.Compose([getattr(ultrasound, n)(p=1)], **targets) for n in names)


def _add_artefacts(seen: Pixels, rng: Rng) -> Pixels:
    chosen = rng.random(len(_artefacts())) < OFTEN
    seed, image = int(rng.integers(2**31)), seen[0].astype(np.float32) / WHITE
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 - what the library draws from
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        for add in (each for each, is_on in zip(_artefacts(), chosen, strict=True) if is_on):
            image = add(image=image, scan_mask=np.ones_like(image))["image"]
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
    lit = np.asarray(np.clip(np.rint(image * WHITE), 0, 255), np.uint8)
    return np.concatenate([lit[None], seen[1:]])


@cache
def _changes() -> Callable[..., dict[str, Pixels]]:
    import albumentations as library

    still = {"x": (0, 0), "y": (0, 0)}
    either = [
        library.NoOp(),
        library.Affine(translate_percent=still | {"x": (-SHIFT, SHIFT)}),
        library.Affine(translate_percent=still | {"y": (-SHIFT, SHIFT)}),
        library.Affine(rotate=(-TURN, TURN)),
        library.Affine(shear=still | {"x": (-SHEAR, SHEAR)}),
        library.RandomBrightnessContrast((-LIGHT, LIGHT), (0, 0)),
        library.RandomBrightnessContrast((0, 0), (-LIGHT, LIGHT)),
        library.Sharpen(alpha=(0, 1)),
        library.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 1.5)),
        library.Posterize((2, 8)),
        library.AutoContrast(),
        library.Equalize(),
    ]
    composed = library.Compose([library.OneOf(either, p=1)])
    return composed  # type: ignore[no-any-return]


def _change_once(seen: Pixels, rng: Rng) -> Pixels:
    compose = _changes()
    compose.set_random_seed(int(rng.integers(2**31)))  # type: ignore[attr-defined]
    found = compose(image=seen[0][..., None], masks=seen[1:])
    return np.concatenate([found["image"][None, ..., 0], found["masks"]])
