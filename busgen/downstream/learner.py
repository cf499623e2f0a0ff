"""One training: a fixed number of steps on an arm's pool, chosen by validation patients.

In: a model, a `Pool`, validation crops, a `Recipe`. Out: the averaged weights that did best on
validation patients. Every arm takes the same steps, however many pictures it has; a killed
training goes on from its last checkpoint (`busgen.training_loop`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from busgen import training_loop
from busgen.downstream.data.pools import Pool
from busgen.downstream.models.registry import CLASSIFIER, SEGMENTER, Model
from busgen.io import dumps, read_json, write_text
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec, lesion_view, to_input
from busgen.judges.training.batches import Batch, Draws, batch_of
from busgen.judges.training.fit import loss_of
from busgen.judges.views import view, whole
from busgen.learning.trainees import SingleTrainee, adamw, begun, half, set_rate, take_step
from busgen.real.crops import Crops
from busgen.stats.overlap import dice

CPU = torch.device("cpu")
LOOKS = "looks.json"
LEVEL = 0.02  # a gain over the last part of a training below this share: it has levelled off


@dataclass(frozen=True)
class Recipe:
    """How each model learns: `looks` at validation patients, evenly spaced over the steps.

    `strength` in [0, 1] is how much the pictures of an augmented arm are changed (`augment`).
    """

    steps: int = 600
    batch: int = 16
    rate: float = 3e-3
    looks: int = 4
    strength: float = 1.0

    def pace(self, seed: int) -> training_loop.Pace:
        """Return the pace of one training; patience never ends it, but keeps its best look."""
        look = max(self.steps // self.looks, 1)
        return training_loop.Pace(
            self.steps,
            self.batch,
            self.rate,
            seed,
            warmup=self.steps // 10,
            cooldown=0.8,
            average=0.98,
            keep=look,
            look=look,
            patience=self.steps + 1,
        )


class Learner(SingleTrainee):
    """A task's network, the pool that it learns from, and whom it is looked at with.

    It keeps its validation losses in the file `looks`.
    """

    def __init__(  # noqa: PLR0913 - all that one training is
        self,
        model: Model,
        pool: Pool,
        validation: Crops,
        recipe: Recipe,
        seed: int,
        looks: Path,
        device: torch.device = CPU,
    ) -> None:
        net = begun(model.build, seed).to(device)
        super().__init__(net, adamw(net, 0.05))
        self.model, self.pool, self.validation = model, pool, validation
        self.strength, self.looks = recipe.strength, looks

    def learn(
        self, step: int, draws: training_loop.Draws, pace: training_loop.Pace
    ) -> training_loop.Told:
        """Take one step on a batch of the pool."""
        set_rate(self.optimiser, pace.rate_at(step))
        picked = draws.rng.choice(len(self.pool.crops), pace.batch, p=self.pool.chances)
        spec, crops = self.model.spec, self.pool.crops
        if self.pool.augmented:
            inputs, targets, weights = batch_of(
                spec, crops, picked, Draws(draws.rng, self.strength)
            )
        else:
            inputs, targets, weights = plain(spec, crops, picked)
        self.net.train()
        with torch.random.fork_rng(devices=[]):  # what dropout draws follows the step too
            torch.manual_seed(int(draws.rng.integers(2**31)))
            with half(self.device, pace):
                logits = self.net(inputs[:, :1].to(self.device))
        loss = loss_of(logits.float(), targets.to(self.device), weights.to(self.device))
        take_step(self.net, self.optimiser, loss)
        return {"loss": float(loss.detach())}

    def look(self, mean: Mapping[str, nn.Module], step: int) -> training_loop.Told:
        """Return the validation patients' loss: 1 - Dice of lesions, or cross-entropy."""
        loss = validation_loss(self.model, mean["net"], self.validation)
        write_text(self.looks, dumps(looked_at(self.looks) | {f"{step:08}": loss}))
        return {"validation_loss": loss}


def trained(  # noqa: PLR0913 - all that one training is
    model: Model,
    pool: Pool,
    validation: Crops,
    recipe: Recipe,
    seed: int,
    work: Path,
    device: torch.device = CPU,
) -> tuple[nn.Module, list[float]]:
    """Return the network that did best on validation patients, and its loss at each look.

    Parameters
    ----------
    model, pool, recipe
        What learns, from what, how long.
    validation
        Crops of validation patients, of which lesions count.
    seed
        Decides first weights, draws and changes.
    work
        Folder of the checkpoint; a training that was stopped goes on from it.
    device
        Where it computes; in bfloat16.
    """
    learner = Learner(model, pool, validation, recipe, seed, work / LOOKS, device)
    best = training_loop.run(learner, recipe.pace(seed), work)["net"]
    return best, list(looked_at(work / LOOKS).values())


def looked_at(path: Path) -> dict[str, float]:
    """Return the losses of validation patients that a training has kept, by step."""
    return read_json(path) if path.is_file() else {}


def plain(spec: SegmenterSpec | ClassifierSpec, crops: Crops, picked: NDArray[np.int64]) -> Batch:
    """Return pictures as they are: inputs, targets and weights of the loss."""
    if isinstance(spec, ClassifierSpec):
        seen = [lesion_view(crops.images[k], crops.masks[k], spec) for k in picked]
        targets = torch.from_numpy(crops.malignant[picked].astype(np.float32))
        inputs = to_input(np.stack([one for one in seen if one is not None]), "cpu")
        return inputs, targets, torch.ones_like(targets)
    inputs, targets, ignore = (
        to_input(_whole(np.asarray(pixels[picked]) * np.uint8(gain), spec.size_px), "cpu")
        for pixels, gain in ((crops.images, 1), (crops.masks, 255), (crops.ignore, 255))
    )
    return inputs, targets, 1 - ignore


def lesion_chances(
    spec: SegmenterSpec, net: nn.Module, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the chance (N, H, W) that each pixel is lesion, as a segmenter says."""
    return Judges(spec, CLASSIFIER, (net,), (), str(_device_of(net)), "").segment(images)


def malignant_logits(spec: ClassifierSpec, net: nn.Module, crops: Crops) -> NDArray[np.float64]:
    """Return the logits (N,) of malignant, as a classifier says of the window around a lesion."""
    judges = Judges(SEGMENTER, spec, (), (net,), str(_device_of(net)), "")
    return judges.logits(np.asarray(crops.images), np.asarray(crops.masks))


def validation_loss(model: Model, net: nn.Module, crops: Crops) -> float:
    """Return what a network is chosen by: the lower the better."""
    if isinstance(model.spec, SegmenterSpec):
        own = crops.pick(np.asarray(crops.masks.any(axis=(1, 2))))
        found = lesion_chances(model.spec, net, np.asarray(own.images)) > 0.5
        return 1.0 - float(dice(found, np.asarray(own.masks) > 0).mean())
    own = crops.pick(crops.labelled)
    logits = torch.from_numpy(malignant_logits(model.spec, net, own))
    truth = torch.from_numpy(own.malignant.astype(np.float64))
    return float(binary_cross_entropy_with_logits(logits, truth))


def levelled_off(losses: list[float]) -> bool:
    """Return whether the last look is no better than the one before by more than `LEVEL`.

    The rate has fallen to nothing by then, which levels any curve; whether more steps would have
    helped the arm `real_augmented_longer` tells.
    """
    return len(losses) > 1 and losses[-2] - losses[-1] <= LEVEL * losses[-2]


def _device_of(net: nn.Module) -> torch.device:
    return next((weights.device for weights in net.parameters()), CPU)


def _whole(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    return np.stack([view(one, whole(one), size_px) for one in pixels])[:, None]
