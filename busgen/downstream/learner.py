"""One training: a fixed number of steps on an arm's pool, chosen by validation patients.

In: a model, a `Pool`, validation crops, a `Recipe`. Out: the averaged weights that did best on
validation patients. Every arm takes the same steps, however many images it has; a killed
training goes on from its last checkpoint (`busgen.training_loop`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from busgen import training_loop
from busgen.arrays import Floats, Floats32, Pixels
from busgen.compute.devices import autocast
from busgen.downstream.data.augmentation import load_change
from busgen.downstream.data.pools import Pool
from busgen.downstream.models.registry import CLASSIFIER, SEGMENTER, Model
from busgen.io import dumps, read_json, write_text
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec
from busgen.judges.training.batches import Draws, make_batch
from busgen.judges.training.fit import compute_loss
from busgen.learning import trainees
from busgen.learning.trainees import SingleTrainee
from busgen.real.crops import Crops
from busgen.stats.overlap import dice
from busgen.training_loop import Metrics, Schedule

CPU = torch.device("cpu")
LOOKS = "looks.json"
LEVEL = 0.02  # a gain over the last part of a training below this share: it has levelled off


@dataclass(frozen=True)
class Recipe:
    """How each model learns: `looks` at validation patients, evenly spaced over the steps.

    `strength` in [0, 1] is how much the images of an augmented arm are changed (`augment`),
    `augmentation` by what (`busgen.downstream.data.augmentation`).
    """

    steps: int = 600
    batch: int = 16
    rate: float = 3e-3
    looks: int = 4
    strength: float = 1.0
    augmentation: str = "own"

    def schedule(self, seed: int) -> Schedule:
        """Return the schedule of one training: patience never ends it, but keeps its best."""
        look = max(self.steps // self.looks, 1)
        pace = Schedule(self.steps, self.batch, self.rate, seed, warmup=self.steps // 10)
        pace = replace(pace, cooldown=0.8, average=0.98)
        return replace(pace, keep=look, validate=look, patience=self.steps + 1)


class Trainee(SingleTrainee):
    """A task's network and its pool; it keeps its validation losses in the file `looks`."""

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
        net = trainees.build_network(model.build, seed).to(device)
        super().__init__(net, trainees.adamw(net, 0.05))
        self.model, self.pool, self.validation = model, pool, validation
        self.strength, self.validations = recipe.strength, looks
        self.change = load_change(recipe.augmentation)

    def training_step(self, step: int, draws: training_loop.Draws, schedule: Schedule) -> Metrics:
        """Take one step on a batch of the pool."""
        trainees.set_rate(self.optimiser, schedule.rate_at(step))
        chances = self.pool.probabilities_at(step / schedule.steps)
        picked = draws.rng.choice(len(self.pool.crops), schedule.batch, p=chances)
        changes = Draws(draws.rng, self.strength, self.change) if self.pool.augmented else None
        inputs, targets, weights = make_batch(self.model.spec, self.pool.crops, picked, changes)
        self.net.train()
        with torch.random.fork_rng(devices=[]):  # what dropout draws follows the step too
            torch.manual_seed(int(draws.rng.integers(2**31)))
            with autocast(self.device, schedule.half_precision):
                logits = self.net(inputs[:, :1].to(self.device))
        loss = compute_loss(logits.float(), targets.to(self.device), weights.to(self.device))
        trainees.take_step(self.net, self.optimiser, loss)
        return {"loss": float(loss.detach())}

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return the validation patients' loss: 1 - Dice of lesions, or cross-entropy."""
        loss = _loss(self.model, mean["net"], self.validation)
        write_text(self.validations, dumps(_read(self.validations) | {f"{step:08}": loss}))
        return {"validation_loss": loss}


def train(  # noqa: PLR0913 - all that one training is
    model: Model,
    pool: Pool,
    validation: Crops,
    recipe: Recipe,
    seed: int,
    work: Path,
    device: torch.device = CPU,
) -> tuple[nn.Module, list[float]]:
    """Return the network that did best on validation patients, and its loss at each look.

    Of `validation` crops lesions count; `seed` decides first weights, draws and changes; a training
    that was stopped goes on from its checkpoint in the folder `work`.
    """
    learner = Trainee(model, pool, validation, recipe, seed, work / LOOKS, device)
    best = training_loop.train(learner, recipe.schedule(seed), work)["net"]
    return best, list(_read(work / LOOKS).values())


def _read(path: Path) -> dict[str, float]:
    """Return the losses of validation patients that a training has kept, by step."""
    return read_json(path) if path.is_file() else {}


def segment(spec: SegmenterSpec, net: nn.Module, images: Pixels) -> Floats32:
    """Return the chance (N, H, W) that each pixel is lesion, as a segmenter says."""
    return Judges(spec, CLASSIFIER, (net,), (), str(_device_of(net)), "").segment(images)


def classify(spec: ClassifierSpec, net: nn.Module, crops: Crops) -> Floats:
    """Return the logits (N,) of malignant, as a classifier says of the window around a lesion."""
    judges = Judges(SEGMENTER, spec, (), (net,), str(_device_of(net)), "")
    return judges.logits(np.asarray(crops.images), np.asarray(crops.masks))


def _loss(model: Model, net: nn.Module, crops: Crops) -> float:
    """Return what a network is chosen by: the lower the better."""
    if isinstance(model.spec, SegmenterSpec):
        own = crops.pick(np.asarray(crops.masks.any(axis=(1, 2))))
        found = segment(model.spec, net, np.asarray(own.images)) > 0.5
        return 1.0 - float(dice(found, np.asarray(own.masks) > 0).mean())
    own = crops.pick(crops.is_labelled)
    logits = torch.from_numpy(classify(model.spec, net, own))
    truth = torch.from_numpy(own.is_malignant.astype(np.float64))
    return float(binary_cross_entropy_with_logits(logits, truth))


def has_converged(losses: list[float]) -> bool:
    """Return whether the last look is no better than the one before by more than `LEVEL`.

    The falling rate levels any curve: the arm `real_augmented_longer` tells if more steps helped.
    """
    return len(losses) > 1 and losses[-2] - losses[-1] <= LEVEL * losses[-2]


def _device_of(net: nn.Module) -> torch.device:
    return next((weights.device for weights in net.parameters()), CPU)
