"""The judges' networks: a small U-Net that finds lesions, a small CNN that tells classes.

In: crops as float tensors. Out: logits. Sizes suit two CPU cores: convolutions are dense (faster
there than depthwise ones, in training above all) and start at half resolution.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut; `stride` 2 halves the sides (ResNet's basic block)."""

    def __init__(self, width_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        plain = stride == 1 and width_in == width
        self.shortcut = nn.Identity() if plain else nn.Conv2d(width_in, width, 1, bias=False)
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, H / stride, W / stride)."""
        y = self.first_norm(self.first(x)).relu()
        y = self.second_norm(self.second(y))
        out: Tensor = (y + self.shortcut(self.pool(x))).relu()
        return out


class Segmenter(nn.Module):
    """U-Net with residual blocks: (N, 1, S, S) in [0, 1] -> lesion logits (N, 1, S, S).

    `widths` are those of the levels at S / 2, S / 4, ...; S is a multiple of 2 ** len(widths).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([Block(fine, coarse, 2) for fine, coarse in pairs])
        self.middle = Block(widths[-1], widths[-1])
        self.narrow = nn.ModuleList([nn.Conv2d(c, f, 1, bias=False) for f, c in pairs[::-1]])
        self.up = nn.ModuleList([Block(fine, fine) for fine, _ in pairs[::-1]])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits at the resolution of `x`."""
        y = self.stem_norm(self.stem(x - 0.25)).relu()
        skips = []
        for down in self.down:
            skips.append(y)
            y = down(y)
        y = self.middle(y)
        for narrow, up in zip(self.narrow, self.up, strict=True):
            y = interpolate(narrow(y), scale_factor=2.0, mode="bilinear", align_corners=False)
            y = up(y + skips.pop())
        return interpolate(self.head(y), size=x.shape[-2:], mode="bilinear", align_corners=False)


class Classifier(nn.Module):
    """Residual CNN: (N, C, S, S) in [0, 1] -> logit of malignant (N,)."""

    def __init__(self, channels: int, widths: Sequence[int], dropout: float = 0.3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        pairs = pairwise(widths)
        self.down = nn.ModuleList([Block(fine, coarse, 2) for fine, coarse in pairs])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit an image."""
        y = self.stem_norm(self.stem(x - 0.25)).relu()
        for down in self.down:
            y = down(y)
        logit: Tensor = self.head(self.dropout(y.mean(dim=(2, 3))))
        return logit[:, 0]


def channels_last(net: nn.Module) -> nn.Module:
    """Return `net` with its kernels laid out channels last: twice as fast on a CPU."""
    for weights in net.parameters():
        if weights.ndim == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
    return net


def seed_network(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a network whose first weights follow from `seed`, its kernels channels last."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return channels_last(make())
