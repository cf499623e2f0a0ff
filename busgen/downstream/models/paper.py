"""The preset `paper`: the predecessor's architectures, as MONAI builds them, untrained.

In: nothing. Out: networks for (N, 1, S, S) in [0, 1]. For a GPU; needs ``busgen[downstream]``.
"""

from types import ModuleType

from torch import nn

from busgen.extras import require_extra

WIDTHS = (32, 64, 128, 256, 512, 512)  # nnU-Net's in 2 dimensions (Isensee 2021)


def efficientnet_b0() -> nn.Module:
    """Return EfficientNet-B0 (Tan 2019, arXiv 1905.11946) that gives (N,) logits."""
    net = _monai().EfficientNetBN(
        "efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=1, num_classes=1
    )
    return nn.Sequential(net, nn.Flatten(0))


def nnunet() -> nn.Module:
    """Return nnU-Net's architecture (Isensee 2021, doi:10.1038/s41592-020-01008-z)."""
    strides = (1, *(2 for _ in WIDTHS[1:]))
    net: nn.Module = _monai().DynUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * len(WIDTHS),
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=WIDTHS,
    )
    return net


def _monai() -> ModuleType:
    require_extra("downstream", "the preset paper")
    from monai.networks import nets

    return nets
