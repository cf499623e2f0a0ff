"""A tiny generator: the real networks, some thousand random weights each."""

import numpy as np
import torch
from peft import LoraConfig

from busgen.images.diffusion.autoencoder import Autoencoder
from busgen.images.diffusion.engine import ADAPTERS, save_model, write_manifest
from busgen.images.diffusion.levels import Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training import flow
from busgen.images.diffusion.training.adapter import LAYERS
from busgen.images.diffusion.training.flow import Network
from busgen.learning import trainees
from busgen.real.crops import Crops

SIDE = 64
NETWORK = Network(widths=(16, 32), layers=1, heads=2, token=16)


def make_pipeline(seed=0):
    """Return a pipeline for images of `SIDE` pixels, its last layers loud enough to be seen."""
    modules = flow.build_network(NETWORK, SIDE, 4, seed)
    autoencoder = trainees.build_network(lambda: Autoencoder(widths=(16, 16, 8, 8)), seed)
    return BreastUltrasoundPipeline(
        autoencoder, Ranges(), modules["tokens"], modules["unet"], FlowSolver()
    )


def save(folder, seed=0):
    """Write a tiny generator to `folder`."""
    save_model(make_pipeline(seed), folder)
    return folder


def make_crops(count, side=SIDE, seed=0):
    """Return crops of speckle with a dark ellipse, every third with text burned in."""
    rng = np.random.default_rng(seed)
    images = rng.rayleigh(60, (count, side, side)).clip(0, 255).astype(np.uint8)
    rows, cols = np.mgrid[:side, :side] / side
    masks = np.stack(
        [
            ((rows - y) / 0.15) ** 2 + ((cols - x) / 0.25) ** 2 < 1
            for y, x in rng.uniform(0.35, 0.65, (count, 2))
        ]
    ).astype(np.uint8)
    images[masks > 0] //= 3
    ignore = np.zeros_like(masks)
    ignore[::3, -8:, -24:] = 1
    names = np.array([f"p{k}" for k in range(count)])
    datasets = np.resize(["breast", "busi"], count)
    scanners = np.resize(["BrEaST", "BUSI"], count)
    labels = np.resize(["benign", "malignant", "benign"], count)
    return Crops(images, masks, ignore, datasets, scanners, labels, names)


def tensors_equal(first, second):
    """Return whether two networks have the same weights, bit by bit."""
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def save_adapter(folder, name, seed):
    """Add an adapter of random low-rank changes to the generator in `folder`."""
    unet = make_pipeline().unet
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(r=2, lora_alpha=2, target_modules=LAYERS, init_lora_weights=False)
        unet.add_adapter(config, adapter_name=name)
    (folder / ADAPTERS / name).mkdir(parents=True)
    unet.save_lora_adapter(folder / ADAPTERS / name, adapter_name=name)
    write_manifest(folder)
