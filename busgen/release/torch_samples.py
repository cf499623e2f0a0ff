"""Samples of a release as tensors, of which torch's `DataLoader` makes batches by itself.

In: a `Dataset`. Out: torch's `Dataset`.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils import data

from busgen.schema import PATHOLOGIES


class _Samples(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class TorchSamples(data.Dataset[dict[str, Tensor | str]]):
    """One sample an index: what is never null.

    `image` (1, H, W) float32 in [0, 1]; `mask` (1, H, W) float32 {0, 1}; `label` int64, the place
    of the pathology among `busgen.schema.PATHOLOGIES`; `sample_id` and `text`.
    """

    def __init__(self, samples: _Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        """Return a sample; raise `IndexError` beyond the last."""
        sample = self.samples[index]
        return {
            "image": torch.from_numpy(sample["image"])[None].float() / 255,
            "mask": torch.from_numpy(sample["mask"])[None].float(),
            "label": torch.tensor(PATHOLOGIES.index(sample["pathology"])),
            "sample_id": sample["sample_id"],
            "text": sample["text"],
        }
