"""Autoencoder: images <-> latents at an eighth of their side; speckle is drawn, not stored.

In: images (N, 1, H, W) in [-1, 1], sides multiples of 8. Out: latents (N, C, H/8, W/8), and
images again. The decoder takes noise at every resolution (as StyleGAN does, Karras 2019,
arXiv 1812.04948): latents need to hold anatomy alone, the speckle's grain comes from the noise.
No layer normalises over space, so what is learned on crops holds on whole images.
"""

import itertools
from collections.abc import Sequence
from functools import partial

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_unshuffle

FACTOR = 8  # sides of an image over those of its latents
NOISED = (4, 2, 1)  # an image's side over that of the decoder's noise, coarse to fine


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the second starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, H, W)."""
        y: Tensor = x + self.second(leaky_relu(self.first(leaky_relu(x))))
        return y


class _Encoder(nn.Module):
    """Images (N, 1, H, W) -> means of latents (N, channels, H/8, W/8)."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        coarse, middle, fine = widths[:3]
        self.layers = nn.Sequential(
            nn.Conv2d(4, fine, 3, 1, 1),
            Block(fine),
            nn.Conv2d(fine, middle, 4, 2, 1),
            Block(middle),
            nn.Conv2d(middle, coarse, 4, 2, 1),
            Block(coarse),
            Block(coarse),
            nn.LeakyReLU(),
            nn.Conv2d(coarse, channels, 3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the latents."""
        latents: Tensor = self.layers(pixel_unshuffle(x, 2))
        return latents


class _Grain(nn.Module):
    """Adds one map of noise to all channels, each with a strength of its own that follows them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.strength = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.strength.weight)
        self.strength.bias = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return `x` (N, width, H, W) with `noise` (N, 1, H, W) added."""
        y: Tensor = x + self.strength(leaky_relu(x)) * noise
        return y


class _Decoder(nn.Module):
    """Latents (N, channels, H, W) and noise -> images (N, 1, 8 H, 8 W)."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        first = widths[0]
        self.begin = nn.Sequential(nn.Conv2d(channels, first, 3, 1, 1), Block(first), Block(first))
        pairs = list(itertools.pairwise(widths))
        self.narrow = nn.ModuleList([nn.Conv2d(wide, slim, 3, 1, 1) for wide, slim in pairs])
        self.grain = nn.ModuleList([_Grain(slim) for _, slim in pairs])
        self.blocks = nn.ModuleList([Block(slim) for _, slim in pairs])
        self.end = nn.Conv2d(widths[-1], 1, 3, 1, 1)

    def forward(self, latents: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Return images; `noise` as `Autoencoder.decode` takes it."""
        x = self.begin(latents)
        levels = zip(self.narrow, self.grain, self.blocks, noise, strict=True)
        for narrow, grain, block, drawn in levels:
            x = interpolate(narrow(leaky_relu(x)), scale_factor=2.0, mode="nearest")
            x = block(grain(x, drawn))
        image: Tensor = self.end(leaky_relu(x))
        return image


class Autoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Encoder and decoder; latents that are drawn have mean 0 and sd 1 in every channel.

    `channels` of the latents; `widths` of the decoder's levels at 1/8, 1/4, 1/2 and the whole of an
    image's side; the encoder has the first three; `mean`, `sd` of each channel of what the encoder
    gives, measured after training; 0 and 1 before.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        channels: int = 4,
        widths: Sequence[int] = (128, 64, 32, 16),
        mean: Sequence[float] | None = None,
        sd: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = _Encoder(widths, channels)
        self.decoder = _Decoder(widths, channels)

    def encode(self, images: Tensor) -> Tensor:
        """Return latents (N, channels, H/8, W/8) of images (N, 1, H, W) in [-1, 1]."""
        mean, sd = self._measure(images)
        latents: Tensor = (self.encoder(images) - mean) / sd
        return latents

    def decode(self, latents: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Return images (N, 1, 8 H, 8 W), about [-1, 1], of latents (N, channels, H, W).

        `noise` standard normal (N, 1, 8 H / k, 8 W / k) for k in `NOISED`.
        """
        mean, sd = self._measure(latents)
        image: Tensor = self.decoder(latents * sd + mean, noise)
        return image

    def _measure(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.config["mean"] or [0.0] * self.config["channels"]
        sd = self.config["sd"] or [1.0] * self.config["channels"]
        return like.new_tensor(mean)[:, None, None], like.new_tensor(sd)[:, None, None]


def draw_noise(count: int, size_px: int, generator: torch.Generator) -> list[Tensor]:
    """Return the noise for `count` images, drawn from one generator on its device."""
    draw = partial(torch.randn, generator=generator, device=generator.device)
    return [draw(count, 1, size_px // k, size_px // k) for k in NOISED]
