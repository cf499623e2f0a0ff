"""Critics and losses that the autoencoder learns by: anatomy, and speckle that looks real.

In: images and their reconstructions (N, 1, H, W) in [-1, 1]. Out: losses. `ProjectedCritic` sees
images through a network trained on ImageNet (Projected GAN): EfficientNet-Lite0 stays as it is, its
maps are mixed by random fixed convolutions over channels and scales, and one small head a scale
judges them (Sauer 2021, arXiv 2111.01007, section 3). Its weights teach only: none of them is in a
generator. They come with the extra ``busgen[train]``.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

SCALES = ((1, 0.5), (2, 1.0), (4, 2.0))  # px over which images are averaged, weight
WINDOW = 32  # side of the windows whose spectra are compared, in px
BLOCKS = (2, 4, 10)  # of EfficientNet-Lite0, whose maps are seen: 1/4, 1/8, 1/16 of the side
CHANNELS = (24, 40, 112)  # of those maps
WIDTH = 64  # of the mixed maps


class Critic(nn.Module):
    """Tells patches of real images from reconstructed ones: logits (N, 1, h, w).

    PatchGAN (Isola 2017, arXiv 1611.07004) with spectral norm (Miyato 2018, arXiv 1802.05957); it
    sees some 30 pixels at a time, which is speckle, not anatomy. With `styles`, it is told whose
    speckle it should be, as one of so many (projection, Miyato 2018, arXiv 1802.05637).
    """

    def __init__(self, width: int = 32, styles: int = 0) -> None:
        super().__init__()
        widths = (1, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in itertools.pairwise(widths)
        )
        self.end = spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1))
        self.style = spectral_norm(nn.Embedding(styles, widths[-1])) if styles else None

    def forward(self, x: Tensor, style: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Return logits and the features of every layer; `style` (N,) where styles are told."""
        features = []
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.2)
            features.append(x)
        logits = self.end(x)
        if self.style is not None:
            logits = logits + (x * self.style(style)[:, :, None, None]).sum(dim=1, keepdim=True)
        return logits, features


def anatomy_loss(generated: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean absolute difference, mostly of averages over several pixels.

    `weight` (N, 1, H, W) in [0, 1], 0 where text or calipers are burned in.
    """
    difference = (generated - real) * weight
    parts = [k * avg_pool2d(difference, px).abs().mean() for px, k in SCALES]
    return torch.stack(parts).sum()


def spectrum_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute difference of log power spectra, averaged over an image's windows.

    Averaged before the logarithm: a spectrum is asked for, not the very same grain.
    """
    return (log_spectra(generated) - log_spectra(real)).abs().mean()


def log_spectra(x: Tensor) -> Tensor:
    """Return the logarithm of each image's power over frequencies, (N, F), mean over windows."""
    windows = x.unfold(2, WINDOW, WINDOW // 2).unfold(3, WINDOW, WINDOW // 2).float()
    taper = torch.hann_window(WINDOW, device=x.device)
    flat = (windows - windows.mean(dim=(-1, -2), keepdim=True)) * taper[:, None] * taper
    power = torch.fft.rfft2(flat).abs().square().mean(dim=(1, 2, 3))
    spectra: Tensor = (power + 1e-3).log().flatten(1)
    return spectra


def critic_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Return the hinge loss of the critic's logits."""
    return relu(1 - real).mean() + relu(1 + generated).mean()


def feature_loss(generated: list[Tensor], real: list[Tensor]) -> Tensor:
    """Return how far the critic's features of pairs differ (feature matching)."""
    parts = [(a - b.detach()).abs().mean() for a, b in zip(generated, real, strict=True)]
    return torch.stack(parts).mean()


class ProjectedCritic(nn.Module):
    """Heads on mixed feature maps: one map of logits a scale, given the scanner of each image."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        channels = [nn.Conv2d(n, WIDTH, 1, bias=False) for n in CHANNELS]
        scales = [nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False) for _ in CHANNELS]
        self.channels, self.scales = nn.ModuleList(channels), nn.ModuleList(scales)
        for mixing in (*channels, *scales):
            nn.init.kaiming_normal_(mixing.weight, a=1)
        self.heads = nn.ModuleList([_Head(styles) for _ in CHANNELS])
        self.requires_grad_(requires_grad=False)  # the heads learn, the mixing never does
        self.heads.requires_grad_(requires_grad=True)

    def forward(self, maps: Sequence[Tensor], style: Tensor) -> list[Tensor]:
        """Return logits (N, 1, h, w), fine to coarse."""
        above: Tensor | None = None
        logits: list[Tensor] = []
        for number in reversed(range(len(maps))):
            x = self.channels[number](maps[number])
            if above is not None:
                x = x + interpolate(above, size=x.shape[-2:], mode="bilinear")
            above = self.scales[number](x) / 2**0.5
            logits.insert(0, self.heads[number](above, style))
        return logits


class _Head(nn.Module):
    """Three convolutions with spectral norm, and a projection of the scanner."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(WIDTH, WIDTH, 4, 2, 1))
        self.second = spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1))
        self.end = spectral_norm(nn.Conv2d(WIDTH, 1, 1))
        self.style = spectral_norm(nn.Embedding(styles, WIDTH))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return logits (N, 1, h, w) of maps (N, WIDTH, H, W)."""
        x = leaky_relu(self.first(x), 0.2)
        x = leaky_relu(self.second(x), 0.2)
        matched = (x * self.style(style)[:, :, None, None]).sum(dim=1, keepdim=True)
        logits: Tensor = self.end(x) + matched
        return logits


def moments_loss(synthetic: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Return how far means and standard deviations over places of pairs' feature maps differ."""
    parts = []
    for a, b in zip(synthetic, real, strict=True):
        for gap in (_mean(a) - _mean(b).detach(), _spread(a) - _spread(b).detach()):
            parts.append(gap.abs().mean())
    return torch.stack(parts).sum()


def _mean(maps: Tensor) -> Tensor:
    return maps.float().mean(dim=(2, 3))


def _spread(maps: Tensor) -> Tensor:
    return (maps.float().var(dim=(2, 3)) + 1e-6).sqrt()
