"""Training preset `sd15`: Stable Diffusion 1.5 fine-tuned with the predecessor's recipe.

In: a folder of Stable Diffusion 1.5, crops of training patients with a sentence each. Out: a folder
that the engine `stable_diffusion` runs, or an adapter for one. VAE, text encoder and UNet stay as
they are; a ControlNet on the mask, begun as a copy of the UNet's first half, learns (Zhang 2023,
arXiv 2302.05543). To carry a trained model to another hospital's images, LoRA (Hu 2021,
arXiv 2106.09685) on the UNet's attention learns instead. Every draw comes from (seed, step): a run
that was killed ends with the same weights.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel, DDPMScheduler
from diffusers.training_utils import cast_training_params
from numpy.typing import NDArray
from torch import Tensor, nn

from busgen import seeds, training_loop
from busgen.compute.devices import resolve_device
from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.training.examples import Batch, Examples, prepare
from busgen.io import read_json, sha256_array, sha256_bytes
from busgen.learning.trainees import SingleTrainee, set_rate
from busgen.real.crops import Crops
from busgen.seeds import Rng
from busgen.training_loop import Draws, Metrics, OnProgress, Schedule

ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")  # at rank 8 the predecessor's 1.59 M weights


@dataclass(frozen=True)
class Recipe:
    """The predecessor's recipe; what it does not state is marked *ours*.

    `lora_rank` None trains a ControlNet, a rank an adapter (theirs: 8). `batch` images a pass and
    `accumulate` passes a step (ours); `rate` of AdamW after `warmup` steps, `decay` its weight
    decay, `clip` the largest norm of a gradient (both ours); `untold` share of images without
    text, from which guidance takes its direction (ours); `half_precision` bfloat16 on a GPU;
    `keep` steps between checkpoints.
    """

    lora_rank: int | None = None
    size_px: int = 512
    epochs: int = 200
    batch: int = 4
    accumulate: int = 1
    rate: float = 1e-4
    warmup: int = 500
    decay: float = 0.01
    clip: float = 1.0
    untold: float = 0.1
    half_precision: bool = True
    keep: int = 500

    def schedule(self, n: int, seed: int) -> Schedule:
        """Return the schedule of all epochs over `n` images: whole batches, one at least.

        The rate goes up in a line, then stays.
        """
        steps = self.epochs * max(n // (self.batch * self.accumulate), 1)
        schedule = (steps, self.batch, self.rate, seed, self.accumulate, self.warmup)
        return Schedule(*schedule, cooldown=0.0, keep=self.keep)


@dataclass
class Networks:
    """The networks, of which `net` learns, and how noise is added."""

    net: nn.Module
    unet: Any
    controlnet: Any
    schedule: Any
    optimiser: torch.optim.AdamW
    dtype: torch.dtype

    @property
    def trainable(self) -> list[nn.Parameter]:
        """The weights that learn."""
        return [weights for weights in self.net.parameters() if weights.requires_grad]


def begin(base: Path, recipe: Recipe, seed: int, device: torch.device) -> Networks:
    """Return the networks as they are before the first step."""
    half = recipe.half_precision and device.type == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    unet = layout.read_part(base, "unet", torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if recipe.lora_rank is None:
            net = controlnet = ControlNetModel.from_unet(unet)
            unet = unet.bfloat16() if half else unet
        else:
            controlnet = layout.read_part(base, "controlnet", dtype)
            net = unet = unet.bfloat16() if half else unet
            add_adapter(unet, recipe.lora_rank)
    unet.to(device)
    controlnet.to(device)
    learning = [weights for weights in net.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay)
    schedule = DDPMScheduler.from_config(read_json(base / layout.SCHEDULE))
    return Networks(net, unet, controlnet, schedule, optimiser, dtype)


def add_adapter(unet: Any, rank: int) -> None:  # noqa: ANN401 - diffusers is untyped
    """Add an adapter of `rank` to a UNet's attention; it alone learns, in float32."""
    from peft import LoraConfig

    if rank < 1:
        raise UserError("lora_rank must be at least 1", rank, "2, 4 and 8 are the usual")
    config = LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ADAPTED)
    )
    unet.add_adapter(config)
    cast_training_params(unet, torch.float32)


@dataclass(frozen=True)
class Run:
    """One training: its seed, the folder of checkpoint and log, where it computes, who is told."""

    seed: int
    work: Path
    device: str = "auto"
    tick: OnProgress = lambda _: None


def train(base: Path, crops: Crops, prompts: Sequence[str], recipe: Recipe, run: Run) -> Networks:
    """Fine-tune the model in `base`; `output.save_model` or `save_adapter` keeps the result.

    An adapter learns beside a trained ControlNet in `base`. `crops` (N, S, S) are of training
    patients, pixels that `crops.ignore` marks count nothing; `prompts` (N) are sentences, as
    `engine.to_text` writes them. A training goes on from the checkpoint in its work folder;
    `run.tick` gets the number of images seen, in steps, the checkpoint's first.

    Raises `UserError` if `base` lacks parts, crops and prompts do not pair, the size is no multiple
    of the VAE's factor, or the checkpoint is another training's; `DataError` if a part is broken,
    or a loss is not finite.
    """
    layout.check_folder(base, controlnet=recipe.lora_rank is not None)
    if recipe.size_px % 64:  # the VAE's 8 times the UNet's 8
        raise UserError("size_px must be a multiple of 64", recipe.size_px, "512 is the usual")
    device = resolve_device(run.device)
    material = prepare(base, crops, prompts, recipe.size_px, device)
    trained = begin(base, recipe, run.seed, device)
    schedule, key = recipe.schedule(len(material), run.seed), _key(base, material, recipe, run.seed)
    training_loop.train(_Tuning(trained, material, recipe), schedule, run.work, run.tick, key)
    return trained


class _Tuning(SingleTrainee):
    """The weights that learn, without those that stay, and what they learn from."""

    averaged_modules = ()

    def __init__(self, trained: Networks, material: Examples, recipe: Recipe) -> None:
        super().__init__(nn.ParameterList(trained.trainable), trained.optimiser)
        self.trained, self.material, self.recipe = trained, material, recipe

    def training_step(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Take one step and return its loss."""
        del draws
        rng, optimiser = seeds.rng(schedule.seed, f"sd15 step {step}"), self.optimiser
        set_rate(optimiser, schedule.rate_at(step))
        optimiser.zero_grad()
        total = 0.0
        for indices in _order(len(self.material), step, schedule):
            batch = self.material.pick(indices, self.recipe.untold, rng)
            loss = _loss(self.trained, batch, rng) / schedule.accumulate
            torch.autograd.backward(loss)
            total += loss.item()
        nn.utils.clip_grad_norm_(self.trained.trainable, self.recipe.clip)
        optimiser.step()
        return {"loss": total, "rate": schedule.rate_at(step)}


def _order(n: int, step: int, schedule: Schedule) -> NDArray[np.int64]:
    """Return a step's images (passes, batch): each epoch has an order of its own."""
    seen_a_step = schedule.batch * schedule.accumulate
    steps = max(n // seen_a_step, 1)
    order = seeds.rng(schedule.seed, f"sd15 epoch {step // steps}").permutation(n)
    chosen = np.resize(order[step % steps * seen_a_step :], seen_a_step)
    return chosen.reshape(schedule.accumulate, schedule.batch)


def _loss(trained: Networks, batch: Batch, draws: Rng) -> Tensor:
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


def _key(base: Path, material: Examples, recipe: Recipe, seed: int) -> str:
    """Return the hash of all that decides the training's end."""
    settings = asdict(recipe) | {"keep": None, "seed": seed}
    parts = [json.dumps(settings), layout.hash_folder(base)]
    parts += [sha256_array(grids) for grids in (material.masks, material.ignore)]
    for tensor in (material.moments, material.texts):
        parts.append(sha256_bytes(tensor.numpy().tobytes()))
    parts.append(sha256_bytes(material.said.tobytes()))
    return sha256_bytes("".join(parts).encode())
