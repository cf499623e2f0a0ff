"""The network behind `us64`, and what it is asked while it learns.

In: square images (N, 1, S, S) in [0, 1]. Out: features (N, F); answers to `TASKS` of them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from busgen.judges.nets import Block

FINE = 5  # px: side of the window whose mean is no detail
GAIN = 4.0  # of detail, which is fainter than anatomy
BANDS = 4  # of depth: what is usual differs between skin and chest wall


class Embedder(nn.Module):
    """Residual CNN: (N, 1, S, S) in [0, 1] -> features (N, `features`), none negative.

    It sees the image and, apart, what is finer than `FINE` px, so that speckle counts as much
    as anatomy, and ends with means of `BANDS` bands of depth.
    """

    def __init__(self, widths: Sequence[int], features: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.down = nn.ModuleList([Block(fine, coarse, 2) for fine, coarse in pairwise(widths)])
        self.join = nn.Linear(BANDS * widths[-1], features)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, F)."""
        fine = x - avg_pool2d(x, FINE, 1, FINE // 2, count_include_pad=False)
        y = self.stem(torch.cat([x - 0.25, GAIN * fine], dim=1))
        y = self.stem_norm(y).relu()
        for down in self.down:
            y = down(y)
        bands = adaptive_avg_pool2d(y, (BANDS, 1)).flatten(1)
        out: Tensor = self.join(bands).relu()
        return out


class MultiTask(nn.Module):
    """An embedder with one linear answer a task: what it learns from; only the embedder stays."""

    def __init__(self, embedder: Embedder, tasks: Mapping[str, int]) -> None:
        super().__init__()
        self.embedder = embedder
        width = embedder.join.out_features
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in tasks.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return (N, n) answers to each task."""
        features = self.embedder(x)
        return {name: head(features) for name, head in self.heads.items()}


def mean(losses: Tensor, known: Tensor) -> Tensor:
    """Return the mean of the losses that are `known` (bool of the same shape), 0 of none."""
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
