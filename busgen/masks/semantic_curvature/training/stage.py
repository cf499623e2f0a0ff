"""Stage `train_masks`: outlines of training patients -> the network that draws them.

In: canonical tables, the cohort, parameters. Out: a folder that the engine `semantic_curvature`
loads: weights, card, log. A killed training goes on from its last checkpoint.
"""

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from busgen import folders, io, training_loop
from busgen.code import hash_code
from busgen.learning.trainees import SingleTrainee, build_network, set_rate, take_step
from busgen.masks.semantic_curvature.codes import forget
from busgen.masks.semantic_curvature.engine import SHIPPED, OutlineFlow, save_model
from busgen.masks.semantic_curvature.training.examples import Examples, prepare
from busgen.params.train_masks import TrainMasksParams
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import origin_of, weights_may_ship
from busgen.templates import card_of, tell_changes
from busgen.training_loop import LOG, Draws, Metrics, OnProgress, Schedule, make_draws

FORGET = 0.1  # how often each part of the conditions is not told
LOOK, TIMES = 250, 8  # steps between looks; times at which a look asks for the loss
DECAY = 0.05
CPU = torch.device("cpu")
CARD, SCORES, EVIDENCE = "README.md", "scores.json", "evidence"
KIND = "generator of masks"


@dataclass(frozen=True)
class Training:
    """A training that can start: what it reads, where it works, where it ends."""

    params: TrainMasksParams
    tables: tuple[Path, ...]
    cohort: Path
    work: Path
    out: Path

    @property
    def schedule(self) -> Schedule:
        """How long and how fast it learns."""
        request = self.params.model_dump(include={"steps", "batch", "rate", "seed", "patience"})
        return Schedule(**request, cooldown=1.0, average=0.995, half_precision=False, validate=LOOK)


def resolve(
    tables: Sequence[Path], cohort: Path, params: TrainMasksParams, work: Path, out: Path
) -> Training:
    """Return the training on datasets that let weights ship; its work folder's name hashes all.

    Raises `UserError` if `out` holds other things.
    """
    folders.require_replaceable(out, KIND)
    ours = tuple(path for path in tables if weights_may_ship(path))
    key = params.model_dump_json() + hash_code(__name__)
    key += "".join(io.sha256_file(path) for path in (*ours, cohort))
    return Training(params, ours, cohort, work / f"masks-{io.sha256_bytes(key.encode())[:16]}", out)


def plan(
    folder: Path, out: Path, params: TrainMasksParams, without: Collection[str] = ()
) -> Training:
    """Return the training on the canonical data in `folder`; it works beside `out`.

    `without`: datasets that it is not to learn from. Raises `UserError` if `folder` has no
    canonical data, or `out` holds other things.
    """
    tables, cohort = find_tables(folder, without), find_cohort(folder)
    return resolve(tables, cohort, params, folders.work_path(out), out)


class Trainee(SingleTrainee):
    """The network and the examples that it learns from."""

    def __init__(self, network: OutlineFlow, examples: Mapping[str, Examples]) -> None:
        super().__init__(network, torch.optim.AdamW(network.parameters(), weight_decay=DECAY))
        self.network, self.examples = network, examples

    def training_step(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Take one step."""
        own = self.examples["train"]
        set_rate(self.optimiser, schedule.rate_at(step))
        chosen = draws.rng.choice(len(own.probabilities), schedule.batch, p=own.probabilities)
        version = draws.rng.integers(0, own.codes.shape[1], schedule.batch)
        codes = own.codes[chosen, version]
        record = forget(own.conditions[chosen, version], FORGET, draws.rng)
        times = torch.rand(schedule.batch, generator=draws.noise)
        noise = torch.randn(codes.shape, generator=draws.noise)
        with torch.random.fork_rng(devices=[]):  # dropout knows the global generator alone
            torch.manual_seed(draws.noise.initial_seed())
            loss = _loss(self.network.train(), torch.from_numpy(codes), record, times, noise)
        take_step(self.network, self.optimiser, loss)
        return {"loss": float(loss.detach())}

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return the loss on held-out patients, times and noise always the same."""
        own, network = self.examples["validation"], mean["net"]
        assert isinstance(network, OutlineFlow)
        codes = torch.from_numpy(own.codes[:, 0]).repeat(TIMES, 1)
        record = np.tile(own.conditions[:, 0], (TIMES, 1))
        times = torch.linspace(0.02, 0.98, TIMES).repeat_interleave(len(own.codes))
        noise = torch.randn(codes.shape, generator=make_draws(0, 0, CPU).noise)
        with torch.inference_mode():
            return {"validation_loss": float(_loss(network, codes, record, times, noise))}


def _loss(
    network: OutlineFlow, codes: Tensor, record: np.ndarray, times: Tensor, noise: Tensor
) -> Tensor:
    """Return the mean squared error of the velocity."""
    clean, at = (codes - network.mean) / network.sd, times[:, None]
    found = network((1 - at) * clean + at * noise, times, torch.from_numpy(record))
    loss: Tensor = (found - (noise - clean)).square().mean()
    return loss


def _network(params: TrainMasksParams, examples: Examples) -> OutlineFlow:
    """Return a network whose weights follow from the seed, told the moments of the codes."""
    network = build_network(lambda: OutlineFlow(params.width, params.layers), params.seed)
    assert isinstance(network, OutlineFlow)
    codes = examples.codes.reshape(-1, examples.codes.shape[-1])
    network.mean.copy_(torch.from_numpy(codes.mean(axis=0)))
    network.sd.copy_(torch.from_numpy(codes.std(axis=0)))
    return network


def train(training: Training, tick: OnProgress) -> Path:
    """Train, write the generator, and return its folder; `tick` gets the number of outlines.

    A killed training goes on where it was.
    """
    with folders.lock_folder(training.out, KIND):
        examples = prepare(training.tables, training.cohort, folders.open_work(training.work))
        trainee = Trainee(_network(training.params, examples["train"]), examples)
        work = training.work / "training"
        generated = training_loop.train(trainee, training.schedule, work, tick)["net"]
        assert isinstance(generated, OutlineFlow)
        publish(training, examples, generated)
    folders.clear_work(training.out)
    return training.out


def publish(training: Training, examples: Mapping[str, Examples], network: OutlineFlow) -> None:
    """Write the finished network with parameters, log, facts about its data, and its card."""
    params = training.params
    with folders.write_folder(training.out, KIND) as partial:
        evidence = partial / EVIDENCE
        evidence.mkdir(parents=True)
        shutil.copy(training.work / "training" / LOG, evidence / LOG)
        io.write_text(evidence / "params.json", params.model_dump_json(indent=1) + "\n")
        facts = {
            "data": {table.parent.name: origin_of(table) for table in training.tables},
            "outlines": {split: len(own.codes) for split, own in examples.items()},
            "weights": sum(weight.numel() for weight in network.parameters()),
        }
        io.write_text(evidence / "facts.json", io.dumps(facts))
        save_model(network, {"width": params.width, "layers": params.layers}, partial)
        write_card(partial)


def write_card(folder: Path) -> None:
    """Write the card of the generator in `folder` from what stands in it."""
    evidence, scores = folder / EVIDENCE, folder / SCORES
    facts, last, best = _learned(folder)
    text = card_of(Path(__file__).parent).render(
        **facts,
        params=io.read_json(evidence / "params.json"),
        steps=last["step"],
        best=best,
        scores=io.read_json(scores) if scores.is_file() else None,
        changes=_changes(folder),
    )
    io.write_text(folder / CARD, text)


def _learned(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return facts about a generator's data, the last line of its log, and the best one's."""
    lines = (folder / EVIDENCE / LOG).read_text("utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    examined = [line for line in log if "validation_loss" in line]
    best = min(examined, key=lambda line: float(line["validation_loss"]))
    return io.read_json(folder / EVIDENCE / "facts.json"), log[-1], best


def _changes(folder: Path) -> str:
    """Return what the card tells of datasets that were left out."""
    (own, _, best), (shipped, _, known) = _learned(folder), _learned(SHIPPED)
    outlines = [
        (f"outlines, {split}", str(shipped["outlines"][split]), str(own["outlines"][split]))
        for split in own["outlines"]
    ]
    loss = "loss on each one's own validation patients"
    losses = (loss, str(known["validation_loss"]), str(best["validation_loss"]))
    return tell_changes(own["data"], shipped["data"], [*outlines, losses])
