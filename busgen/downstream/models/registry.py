"""The models that learn: small ones of two tasks, larger ones, or a user's own by import path.

In: a task, a preset, perhaps ``package.module:function``. Out: `Model`. Own models take
(N, 1, S, S) in [0, 1] and return logits: (N,) of malignant, or (N, 1, S, S) of lesion. The preset
`pretrained` sees through EfficientNet-Lite2 as ImageNet taught it; it needs ``busgen[train]``. The
preset `paper` holds the predecessor's architectures, as MONAI builds them, untrained: for a GPU; it
needs ``busgen[downstream]``.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from busgen.errors import UserError
from busgen.extras import require_extra
from busgen.io import sha256_bytes, sha256_file
from busgen.judges.judges import ClassifierSpec, SegmenterSpec
from busgen.judges.nets import load_imagenet

Spec = SegmenterSpec | ClassifierSpec
TASKS = ("classification", "segmentation")
CLASSIFIER = ClassifierSpec(64, (16, 32, 64), 1, 1.8, 1)  # blind: sees the image, no mask
SEGMENTER = SegmenterSpec(96, (16, 32, 64), 1)
WIDTHS = (32, 64, 128, 256, 512, 512)  # nnU-Net's in 2 dimensions (Isensee 2021)
BATCH = 2  # images that a user's model is tried with


@dataclass(frozen=True)
class Model:
    """A task's model: `spec` what it sees and its shape, `path` where a user's comes from."""

    task: str
    spec: Spec
    path: str | None = None

    def build(self) -> nn.Module:
        """Return the network, weights as torch draws them, or as ImageNet taught them."""
        if self.path is None:
            return load_imagenet(self.spec.build(0))
        net: Any = _function(self.path)()
        if not isinstance(net, nn.Module):
            rule = f"{self.path} must return a torch.nn.Module"
            raise UserError(rule, type(net).__name__, "return the network")
        return net

    @property
    def fingerprint(self) -> str:
        """What decides the network beside this package: shape, and a user's source."""
        file = self.path and inspect.getsourcefile(_function(self.path))
        own = sha256_file(Path(file)) if file else ""
        return sha256_bytes(f"{self.task} {self.spec} {self.path} {own}".encode())


_SMALL = (Model(TASKS[0], CLASSIFIER), Model(TASKS[1], SEGMENTER))
_PRETRAINED = (
    Model(TASKS[0], ClassifierSpec(128, (), 1, 1.8, 1, lite=2)),
    Model(TASKS[1], SegmenterSpec(160, (24, 32, 48, 64), 1, lite=2)),
)
_PAPER = (
    Model(TASKS[0], ClassifierSpec(224, (), 1, 1.8, 1), f"{__name__}:efficientnet_b0"),
    Model(TASKS[1], SegmenterSpec(256, (), 1), f"{__name__}:nnunet"),
)
PRESETS = {
    name: {model.task: model for model in models}
    for name, models in (("small", _SMALL), ("pretrained", _PRETRAINED), ("paper", _PAPER))
}


def load_model(task: str, path: str | None = None, preset: str = "small") -> Model:
    """Return the model of a task, tried once; `path` replaces the preset's, its sizes stay.

    Raises `UserError` if task or preset is unknown, or a user's model cannot be imported or answers
    in another shape.
    """
    for what, name, known in (("task", task, TASKS), ("preset", preset, tuple(PRESETS))):
        if name not in known:
            rule = f"a {what} must be known"
            raise UserError(rule, repr(name), f"choose from {', '.join(known)}")
    model = PRESETS[preset][task]
    model = model if path is None else replace(model, path=path)
    size = model.spec.size_px
    shape = (BATCH,) if task == "classification" else (BATCH, 1, size, size)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        found = model.build().eval()(torch.zeros(BATCH, 1, size, size))
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != shape:
        got = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise UserError(f"a {task} model must return logits of shape {shape}", got, "reshape them")
    return model


def _function(path: str) -> Callable[[], object]:
    """Return what an import path names."""
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        rule = "a model must be an import path, package.module:function"
        raise UserError(rule, f"{path} ({error})", "check the path and PYTHONPATH") from error
    if not callable(found):
        raise UserError("a model must be a function", path, "name one that returns a network")
    return found  # type: ignore[no-any-return]


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
