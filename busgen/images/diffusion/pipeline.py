"""The diffusers pipeline: masks, terms and styles in, images out.

It draws latents along the straight paths of flow matching (Lipman 2022, arXiv 2210.02747), then
decodes them. Saved by `save_pretrained`, loaded by `from_pretrained`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from busgen.arrays import Pixels
from busgen.compute.devices import autocast
from busgen.images.diffusion.autoencoder import Autoencoder
from busgen.images.diffusion.conditions import (
    FieldTokens,
    empty_text,
    leave_out,
    make_planes,
    styles_for,
    terms_of,
)
from busgen.images.diffusion.levels import Ranges, draw_place, paint, weigh
from busgen.images.diffusion.scanners import NO_STYLE
from busgen.images.diffusion.solver import FlowSolver
from busgen.priors.findings import Finding

STEPS = 8


@dataclass(frozen=True)
class Guidance:
    """How much more a condition counts than it says by itself; 1 is none.

    `described` text and mask together, `text`, `mask`, `style` each alone. Each that is not 1
    costs an evaluation of the network more a step (classifier-free guidance, Ho 2022,
    arXiv 2207.12598).
    """

    described: float = 1.0
    text: float = 1.0
    mask: float = 1.0
    style: float = 1.0

    @property
    def drops(self) -> tuple[tuple[float, frozenset[str]], ...]:
        """The weights beyond 1 that are asked for, with the conditions that are dropped for them.

        0 of a condition draws as if it had not been given.
        """
        each = (
            (self.described - 1, frozenset({"text", "mask"})),
            *((getattr(self, name) - 1, frozenset({name})) for name in ("text", "mask", "style")),
        )
        return tuple(pair for pair in each if pair[0] != 0)

    @property
    def evaluations(self) -> int:
        """Evaluations of the network a step."""
        return 1 + len(self.drops)


@dataclass(frozen=True)
class Conditions:
    """What N images are to show.

    `text` (N, terms) what is said, `levels` (N, 2 LEVELS, h, w) what they are drawn as, `planes`
    (N, planes, h, w) of the mask, `style` (N,) int64.
    """

    text: Tensor
    levels: Tensor
    planes: Tensor
    style: Tensor

    def to(self, device: torch.device) -> "Conditions":
        """Return the conditions on `device`."""
        return Conditions(*(each.to(device) for each in vars(self).values()))

    def pick(self, rows: Tensor) -> "Conditions":
        """Return those of `rows`, by their numbers."""
        return Conditions(*(each[rows.to(each.device)] for each in vars(self).values()))

    def without(self, names: frozenset[str]) -> "Conditions":
        """Return the conditions with those in `names` dropped.

        Levels are dropped with the text, whose they are, and with the mask: they show where it is.
        """
        text = empty_text(len(self.text)).to(self.text) if "text" in names else self.text
        levels = torch.zeros_like(self.levels) if names & {"text", "mask"} else self.levels
        planes = torch.zeros_like(self.planes) if "mask" in names else self.planes
        style = torch.full_like(self.style, NO_STYLE) if "style" in names else self.style
        return Conditions(text, levels, planes, style)


class BreastUltrasoundPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws B-mode images of findings inside given masks."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        ranges: Ranges,
        tokens: FieldTokens,
        unet: UNet2DConditionModel,
        scheduler: FlowSolver,
    ) -> None:
        super().__init__()
        self.register_modules(
            autoencoder=autoencoder, ranges=ranges, tokens=tokens, unet=unet, scheduler=scheduler
        )

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return int(self.autoencoder.config.channels)

    def encode(self, text: Tensor, masks: Pixels, styles: Tensor, place: Tensor) -> Conditions:
        """Return the conditions, on the pipeline's device, that N findings set.

        `text` (N, terms) is `terms.terms_of`, `masks` (N, S, S) uint8 {0, 1}, `styles` (N,)
        `conditions.styles_for`, `place` (N, LEVELS) standard normal, `levels.draw_place`. All terms
        set levels; the network is told in words what captions of a style's images state.
        """
        own = self.ranges.device
        values, conditions = self.ranges(text.to(own), place.to(own), styles.to(own))
        shown = np.stack([weigh(mask) for mask in masks])
        device = self.unet.device
        levels = paint(values, conditions, shown).to(device)
        text = leave_out(text, self.ranges.told.cpu()[styles]).to(device)
        return Conditions(text, levels, make_planes(masks).to(device), styles.to(device))

    def encode_findings(
        self, findings: Sequence[Finding], masks: Pixels, *, strange: bool = False
    ) -> Conditions:
        """Return the conditions that findings set, their levels where their seeds say.

        `strange` as `styles_for` takes it.
        """
        styles = styles_for([finding.scanner for finding in findings], strange=strange)
        place = torch.stack([draw_place(finding.seed) for finding in findings])
        return self.encode(terms_of(findings), masks, styles, place)

    @torch.inference_mode()
    def __call__(
        self,
        conditions: Conditions,
        start: Tensor,
        grain: Sequence[Tensor],
        steps: int = STEPS,
        guidance: Guidance | None = None,
    ) -> Tensor:
        """Return images (N, H, W) in [0, 1] of conditions, as `encode` returns them.

        `start` is standard normal (N, channels, H/8, W/8), where the paths begin; `grain` the
        decoder's noise (`Autoencoder.decode`); `steps` the solver's; without `guidance` conditions
        count as the network has learned.
        """
        latents = self.draw(conditions, start, steps, guidance)
        with autocast(start.device):
            decoded = self.autoencoder.decode(latents, grain)
        images: Tensor = (decoded[:, 0].float() / 2 + 0.5).clamp(0, 1)
        return images

    @torch.inference_mode()
    def draw(
        self,
        conditions: Conditions,
        start: Tensor,
        steps: int = STEPS,
        guidance: Guidance | None = None,
        hold: Callable[[Tensor, float], Tensor] | None = None,
    ) -> Tensor:
        """Return the latents (N, channels, H/8, W/8) of images; arguments as when called.

        `hold` takes latents and their level in [0, 1] before each step, and returns those to go on
        from.
        """
        latents = start
        solver = FlowSolver.from_config(self.scheduler.config)  # one a call: it counts
        solver.set_timesteps(steps, start.device)
        for level, time in zip(solver.levels, solver.timesteps, strict=False):
            latents = hold(latents, level) if hold else latents
            velocity = predict_velocity(self.unet, self.tokens, latents, time, conditions, guidance)
            latents = solver.step(velocity, latents)
        return latents


def predict_velocity(
    unet: nn.Module,
    tokens: nn.Module,
    latents: Tensor,
    time: Tensor,
    conditions: Conditions,
    guidance: Guidance | None = None,
) -> Tensor:
    """Return the network's guided velocity, noise minus latents, float32.

    `latents` (N, C, h, w) are at times (N,) or () in [0, 1000].
    """
    planes = torch.cat([latents, conditions.planes, conditions.levels], dim=1)
    seen = planes.contiguous(memory_format=torch.channels_last)
    with autocast(latents.device):
        phrases = tokens(conditions.text)
        (out,) = unet(seen, time, phrases, class_labels=conditions.style, return_dict=False)
    velocity: Tensor = out.float()
    guided = velocity
    for weight, names in guidance.drops if guidance else ():
        less = predict_velocity(unet, tokens, latents, time, conditions.without(names))
        guided = guided + weight * (velocity - less)
    return guided
