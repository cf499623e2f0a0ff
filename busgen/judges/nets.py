"""The judges' networks: a U-Net that finds lesions, a CNN that tells classes; each of two kinds.

In: crops as float tensors. Out: logits. The small kind learns from nothing; its sizes suit two CPU
cores: convolutions are dense and start at half resolution. The other sees through
EfficientNet-Lite, which begins as ImageNet taught it (`load_imagenet`).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from busgen.compute.pretrained import EfficientNetLite


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


class LiteSegmenter(nn.Module):
    """U-Net whose way down is EfficientNet-Lite's: (N, 1, S, S) in [0, 1] -> logits (N, 1, S, S).

    `widths` are those of the levels on the way up, at S / 2, S / 4, ...
    """

    def __init__(self, number: int, widths: Sequence[int]) -> None:
        super().__init__()
        last = EfficientNetLite(number, learns=True).levels[len(widths) - 1]
        self.encoder = EfficientNetLite(number, last, learns=True)
        sides = [self.encoder.widths[block] for block in self.encoder.levels]
        self.skips = nn.ModuleList(
            nn.Conv2d(seen, width, 1) for seen, width in zip(sides, widths, strict=True)
        )
        pairs = list(pairwise(widths))[::-1]
        self.narrow = nn.ModuleList([nn.Conv2d(c, f, 1, bias=False) for f, c in pairs])
        self.up = nn.ModuleList([Block(fine, fine) for fine, _ in pairs])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits at the resolution of `x`."""
        maps = self.encoder(2 * x - 1, self.encoder.levels)
        skips = [skip(seen) for skip, seen in zip(self.skips, maps, strict=True)]
        y = skips.pop()
        for narrow, up in zip(self.narrow, self.up, strict=True):
            fine = skips.pop()
            y = interpolate(narrow(y), size=fine.shape[-2:], mode="bilinear", align_corners=False)
            y = up(y + fine)
        return interpolate(self.head(y), size=x.shape[-2:], mode="bilinear", align_corners=False)


class LiteClassifier(nn.Module):
    """EfficientNet-Lite under one linear layer: (N, 1 or 2, S, S) in [0, 1] -> logit (N,).

    Of two channels the second, a lesion's mask, stands for the third colour.
    """

    def __init__(self, number: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(number, learns=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit an image."""
        seen = x if x.shape[1] == 1 else x[:, [0, 0, 1]]
        y = self.encoder(2 * seen - 1, self.encoder.levels[-1:])[0]
        logit: Tensor = self.head(self.dropout(y.mean(dim=(2, 3))))
        return logit[:, 0]


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


def load_imagenet(net: nn.Module) -> nn.Module:
    """Return `net`, its encoder, if it is EfficientNet-Lite's, as ImageNet taught it."""
    encoder = getattr(net, "encoder", None)
    if isinstance(encoder, EfficientNetLite):
        encoder.load_imagenet()
    return net


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
