# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A researcher's first hour: generate, look, train a segmenter
#
# **SYNTHETIC DATA - NOT FOR CLINICAL USE.** Run it as a program, `python examples/researcher.py`,
# or open it as a notebook with jupytext. It needs no real data and no GPU.

# %%
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import nn

import busgen

matplotlib.use("Agg")
from matplotlib import pyplot as plt

N, STEPS, SIDE = 120, 200, 128
OUT = Path("researcher")
OUT.mkdir(exist_ok=True)

# %% [markdown]
# ## Generate
#
# Findings follow the clinical prior. The same seed gives the same bytes.

# %%
dataset = busgen.generate(N, seed=11)
table = dataset.table.to_pandas()
table.groupby(["pathology", "shape"], dropna=False).size()

# %% [markdown]
# ## Look
#
# Every sample has its finding in words, and the scores that the gates gave it.

# %%
figure, axes = plt.subplots(2, 3, figsize=(9, 6))
for axis, image, mask, words in zip(
    axes.flat, dataset.images, dataset.masks, table["text"], strict=False
):
    axis.imshow(image, cmap="gray")
    axis.contour(mask, [0.5], colors="orange", linewidths=0.8) if mask.any() else None
    axis.set_title(words[:40], fontsize=6)
    axis.axis("off")
figure.savefig(OUT / "look.png", dpi=120)

# %% [markdown]
# ## Train
#
# A small U-Net learns to outline lesions. The last fifth of the samples is kept apart. What it is
# worth on **real** patients is another question: `busgen downstream` answers it.


# %%
def block(inputs: int, outputs: int) -> nn.Sequential:
    """Return two convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


class SmallUNet(nn.Module):
    """Grey images (N, 1, S, S) in [0, 1] to logits (N, 1, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([block(1, 16), block(16, 32), block(32, 64)])
        self.up = nn.ModuleList([block(96, 32), block(48, 16)])
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        fine = self.down[0](x)
        middle = self.down[1](nn.functional.max_pool2d(fine, 2))
        deep = self.down[2](nn.functional.max_pool2d(middle, 2))
        for kept, up in zip((middle, fine), self.up, strict=True):
            deep = up(torch.cat([nn.functional.interpolate(deep, scale_factor=2), kept], dim=1))
        return self.last(deep)


def dice(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the soft Dice coefficient of each pair (N, 1, S, S)."""
    both = (found * wanted).sum(dim=(1, 2, 3))
    return (2 * both + 1) / (found.sum(dim=(1, 2, 3)) + wanted.sum(dim=(1, 2, 3)) + 1)


# %%
lesions = dataset.masks.any(axis=(1, 2))
x = torch.from_numpy(dataset.images[lesions]).float()[:, None] / 255
y = torch.from_numpy(dataset.masks[lesions]).float()[:, None]
x = nn.functional.interpolate(x, size=SIDE, mode="area")
y = (nn.functional.interpolate(y, size=SIDE, mode="area") > 0.5).float()
kept = max(1, len(x) // 5)

torch.manual_seed(0)
rng = np.random.default_rng(0)
net = SmallUNet()
optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
for _step in range(STEPS):
    chosen = torch.from_numpy(rng.integers(0, len(x) - kept, 8))
    found = net(x[chosen])
    loss = nn.functional.binary_cross_entropy_with_logits(found, y[chosen])
    loss = loss + 1 - dice(found.sigmoid(), y[chosen]).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
net.eval()
with torch.inference_mode():
    score = dice((net(x[-kept:]) > 0).float(), y[-kept:]).mean().item()
(OUT / "dice.txt").write_text(f"Dice on {kept} synthetic images kept apart: {score:.3f}\n")
dataset.save(OUT / "release")
