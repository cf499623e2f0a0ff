"""Kernel distance of drawn patches from real ones, as a loss: the features of EfficientNet-Lite0.

In: maps of patches. Out: a loss whose gradient brings the distribution of drawn patches nearer to
that of real ones of the same scanner. A batch is too small to tell distributions apart, so the
patches drawn last are remembered, without gradient.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

DIMENSIONS = 64  # principal axes of real patches, scaled to variance 1, ...
LEAST = 1e-4  # but those along which they hardly vary, over the first
REMEMBERED = 768  # drawn patches
OTHERS = 0.5  # how much patches of other scanners count
READY = 1 / 3  # share of them from which on the loss counts


class FeatureDistance(nn.Module):
    """The loss and what it remembers; checkpoints keep its buffers.

    `features` (N, F) as `measure` and `styles` (N,) of real patches; `remembered` drawn patches;
    `others` how much patches of another scanner count.
    """

    mean: Tensor
    spread: Tensor
    axes: Tensor
    real: Tensor
    real_styles: Tensor
    drawn: Tensor
    drawn_styles: Tensor
    count: Tensor

    def __init__(
        self,
        features: Tensor,
        styles: Tensor,
        remembered: int = REMEMBERED,
        others: float = OTHERS,
    ) -> None:
        super().__init__()
        self.others = others
        mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-6
        standard = (features - mean) / spread
        _, sizes, rows = torch.linalg.svd(standard, full_matrices=False)
        size = min(DIMENSIONS, int((sizes > LEAST * sizes[0]).sum()))
        axes = rows[:size].T / (sizes[:size] / len(features) ** 0.5 + 1e-6)
        for name, value in (("mean", mean), ("spread", spread), ("axes", axes)):
            self.register_buffer(name, value)
        self.register_buffer("real", standard @ axes)
        self.register_buffer("real_styles", styles)
        self.register_buffer("drawn", torch.zeros(remembered, size))
        self.register_buffer("drawn_styles", torch.zeros(remembered, dtype=torch.long))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, features: Tensor, styles: Tensor) -> Tensor:
        """Return the loss of drawn patches' features (N, F), and remember them.

        In float32 whatever computes around it: half precision has three digits.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self._compare(features.float(), styles)

    def _compare(self, features: Tensor, styles: Tensor) -> Tensor:
        points = (features - self.mean) / self.spread @ self.axes
        remembered = len(self.drawn)
        held = min(int(self.count), remembered)
        loss = points.new_zeros(())
        if len(points) and held >= READY * remembered:
            before = self.drawn[:held].clone()  # gradients are found after it is written to
            near_drawn = self._kernel(points, before, styles, self.drawn_styles[:held])
            near_real = self._kernel(points, self.real, styles, self.real_styles)
            loss = 2 * (near_drawn.mean() - near_real.mean())
        places = (torch.arange(len(points), device=points.device) + self.count) % remembered
        self.drawn[places] = points.detach()
        self.drawn_styles[places] = styles
        self.count += len(points)
        return loss

    def _kernel(self, a: Tensor, b: Tensor, styles_a: Tensor, styles_b: Tensor) -> Tensor:
        """Return the cubic kernel of KID, less between patches of two scanners."""
        alike = self.others + (1 - self.others) * (styles_a[:, None] == styles_b).float()
        return (a @ b.T / a.shape[1] + 1) ** 3 * alike


def measure(maps: Sequence[Tensor]) -> Tensor:
    """Return means and standard deviations over places of maps, (N, 2 * channels)."""
    wide = [each.float() for each in maps]
    parts = [(m.mean(dim=(2, 3)), (m.var(dim=(2, 3)) + 1e-6).sqrt()) for m in wide]
    return torch.cat([part for pair in parts for part in pair], dim=1)
