"""Training preset `sd15`: Stable Diffusion 1.5 fine-tuned with the predecessor's recipe.

In: a folder of Stable Diffusion 1.5, crops of training patients with a sentence each. Out: a folder
that the engine `stable_diffusion` runs, or an adapter for one. VAE, text encoder and UNet stay as
they are; a ControlNet on the mask, begun as a copy of the UNet's first half, learns (Zhang 2023,
arXiv 2302.05543). To carry a trained model to another hospital's images, LoRA (Hu 2021,
arXiv 2106.09685) on the UNet's attention learns instead. Every draw comes from (seed, step): a run
that was killed ends with the same weights.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from busgen import seeds
from busgen.errors import DataError, UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.engine import device_of
from busgen.images.stable_diffusion.training import checkpoint
from busgen.images.stable_diffusion.training.examples import Batch, Material, prepare
from busgen.images.stable_diffusion.training.networks import Recipe, Trained, begin
from busgen.io import sha256_array, sha256_bytes
from busgen.real.crops import Crops

LINE = 50  # steps a line of the log
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Run:
    """One training: its seed, the folder of checkpoint and log, where it computes, who is told."""

    seed: int
    work: Path
    device: str = "auto"
    tick: Tick = lambda _: None


def train(base: Path, crops: Crops, prompts: Sequence[str], recipe: Recipe, run: Run) -> Trained:
    """Fine-tune the model in `base`; `output.write_model` or `write_adapter` keeps the result.

    Parameters
    ----------
    base
        Folder of Stable Diffusion 1.5; with a trained ControlNet where an adapter is to learn.
    crops
        (N, S, S) of training patients; pixels that `crops.ignore` marks count nothing.
    prompts
        (N) sentences, as `engine.sentence` writes them.
    recipe
        What learns, how long and how fast.
    run
        Goes on from the checkpoint in its work folder where there is one; `tick` gets the number of
        pictures seen, in steps, the checkpoint's first.

    Raises
    ------
    UserError
        If `base` lacks parts, crops and prompts do not pair, the size is no multiple of the VAE's
        factor, or the checkpoint is another training's.
    DataError
        If a part is broken, or a loss is not finite.
    """
    layout.check_folder(base, controlnet=recipe.lora_rank is not None)
    if recipe.size_px % 64:  # the VAE's 8 times the UNet's 8
        raise UserError("size_px must be a multiple of 64", recipe.size_px, "512 is the usual")
    device = device_of(run.device)
    material = prepare(base, crops, prompts, recipe.size_px, device)
    trained = begin(base, recipe, run.seed, device)
    store = checkpoint.Store(run.work, _key(base, material, recipe, run.seed))
    store.restore(trained.net, trained.optimiser, trained.progress)
    run.tick(trained.progress.step * recipe.seen_a_step)
    total, began, first = recipe.steps(len(material)), time.monotonic(), trained.progress.step
    while trained.progress.step < total:
        loss = _learn(trained, material, recipe, run.seed)
        trained.progress.passed(loss)
        run.tick(recipe.seen_a_step)
        step = trained.progress.step
        if step % LINE == 0 or step == total:
            speed = (step - first) / (time.monotonic() - began)
            store.tell(trained.progress, _line(trained.progress, recipe, speed, total))
        if step % recipe.keep == 0 or step == total:
            store.keep(trained.net, trained.optimiser, trained.progress)
    return trained


def _learn(trained: Trained, material: Material, recipe: Recipe, seed: int) -> float:
    """Take one step and return its loss."""
    step = trained.progress.step
    draws = seeds.rng(seed, f"sd15 step {step}")
    for group in trained.optimiser.param_groups:
        group["lr"] = recipe.rate_at(step)
    trained.optimiser.zero_grad()
    total = 0.0
    for indices in _order(len(material), step, recipe, seed):
        batch = material.pick(indices, recipe.untold, draws)
        loss = _loss(trained, batch, draws) / recipe.accumulate
        torch.autograd.backward(loss)
        total += loss.item()
    if not math.isfinite(total):
        rule, remedy = "the training's loss must be finite", "lower the rate, or begin elsewhere"
        raise DataError(rule, f"{total} at step {step}", remedy)
    learning = [weights for group in trained.optimiser.param_groups for weights in group["params"]]
    nn.utils.clip_grad_norm_(learning, recipe.clip)
    trained.optimiser.step()
    return total


def _order(n: int, step: int, recipe: Recipe, seed: int) -> NDArray[np.int64]:
    """Return a step's pictures (passes, batch): each epoch has an order of its own."""
    steps = max(n // recipe.seen_a_step, 1)
    order = seeds.rng(seed, f"sd15 epoch {step // steps}").permutation(n)
    start = step % steps * recipe.seen_a_step
    chosen = np.resize(order[start:], recipe.seen_a_step)
    return chosen.reshape(recipe.accumulate, recipe.batch)


def _loss(trained: Trained, batch: Batch, draws: np.random.Generator) -> Tensor:
    """Return the mean square error of the noise that is guessed, where no overlay was."""
    device, schedule = next(trained.net.parameters()).device, trained.schedule
    levels = draws.integers(0, schedule.config.num_train_timesteps, len(batch.latents))
    noise = torch.from_numpy(draws.standard_normal(tuple(batch.latents.shape), np.float32))
    times = torch.from_numpy(levels)
    noisy = schedule.add_noise(batch.latents, noise, times).to(device)
    wanted = noise
    if schedule.config.prediction_type == "v_prediction":
        wanted = schedule.get_velocity(batch.latents, noise, times)
    times, texts = times.to(device), batch.texts.to(device)
    with torch.autocast(device.type, trained.dtype, enabled=trained.dtype != torch.float32):
        down, middle = trained.controlnet(
            noisy, times, texts, batch.control.to(device), return_dict=False
        )
        (guess,) = trained.unet(
            noisy,
            times,
            texts,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )
    weights = batch.weights.to(device)
    error: Tensor = (guess.float() - wanted.to(device)).square().mean(dim=1, keepdim=True)
    return (error * weights).sum() / weights.sum().clamp(min=1)


def _line(
    progress: checkpoint.Progress, recipe: Recipe, speed: float, total: int
) -> dict[str, float]:
    return {
        "step": progress.step,
        "loss": progress.loss,
        "rate": recipe.rate_at(progress.step - 1),
        "samples_per_s": round(speed * recipe.seen_a_step, 2),
        "remaining_s": round((total - progress.step) / speed),
    }


def _key(base: Path, material: Material, recipe: Recipe, seed: int) -> str:
    """Return the hash of all that decides the training's end."""
    settings = asdict(recipe) | {"keep": None, "seed": seed}
    parts = [json.dumps(settings), layout.sha256_folder(base)]
    parts += [sha256_array(grids) for grids in (material.masks, material.ignore)]
    for tensor in (material.moments, material.texts):
        parts.append(sha256_bytes(tensor.numpy().tobytes()))
    parts.append(sha256_bytes(material.said.tobytes()))
    return sha256_bytes("".join(parts).encode())
