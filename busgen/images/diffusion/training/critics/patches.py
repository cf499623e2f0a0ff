"""What the autoencoder's images are held to: the same anatomy, and speckle that looks real.

In: images and their reconstructions (N, 1, H, W) in [-1, 1]. Out: losses.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

SCALES = ((1, 0.5), (2, 1.0), (4, 2.0))  # px over which images are averaged, weight
WINDOW = 32  # side of the windows whose spectra are compared, in px


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


def anatomy_loss(made: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean absolute difference, mostly of averages over several pixels.

    `weight` (N, 1, H, W) in [0, 1], 0 where text or calipers are burned in.
    """
    difference = (made - real) * weight
    parts = [k * avg_pool2d(difference, px).abs().mean() for px, k in SCALES]
    return torch.stack(parts).sum()


def spectrum_loss(made: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute difference of log power spectra, averaged over an image's windows.

    Averaged before the logarithm: a spectrum is asked for, not the very same grain.
    """
    return (_log_spectra(made) - _log_spectra(real)).abs().mean()


def _log_spectra(x: Tensor) -> Tensor:
    windows = x.unfold(2, WINDOW, WINDOW // 2).unfold(3, WINDOW, WINDOW // 2).float()
    taper = torch.hann_window(WINDOW, device=x.device)
    flat = (windows - windows.mean(dim=(-1, -2), keepdim=True)) * taper[:, None] * taper
    power = torch.fft.rfft2(flat).abs().square().mean(dim=(1, 2, 3))
    spectra: Tensor = (power + 1e-3).log()
    return spectra


def critic_loss(real: Tensor, made: Tensor) -> Tensor:
    """Return the hinge loss of the critic's logits."""
    return relu(1 - real).mean() + relu(1 + made).mean()


def feature_loss(made: list[Tensor], real: list[Tensor]) -> Tensor:
    """Return how far the critic's features of pairs differ (feature matching)."""
    parts = [(a - b.detach()).abs().mean() for a, b in zip(made, real, strict=True)]
    return torch.stack(parts).mean()
