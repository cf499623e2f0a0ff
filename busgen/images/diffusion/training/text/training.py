"""Training of the text encoder on sentences written for it; how often it reads a field rightly.

In: seed, number of steps. Out: an encoder; step *k* sees what (seed, *k*) decides and nothing else.
Two minutes of steps need no checkpoint and no folder, so `busgen.training_loop.run` does not serve.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from busgen import seeds
from busgen.errors import UserError
from busgen.images.diffusion.text import N_TERMS, SLOTS, Stated, TextEncoder, one_hot, slot_bounds
from busgen.images.diffusion.training.text.phrases import lesson

STEPS = 1200  # about two minutes of one core at the default batch
_RATE, _WARM, _DECAY, _AVERAGE = 2e-3, 100, 0.01, 0.99
_PARTS = 4  # of a batch


def train_text(
    seed: int, steps: int = STEPS, *, batch: int = 64, tick: Callable[[int], None] | None = None
) -> TextEncoder:
    """Return an encoder trained for `steps`, its weights averaged over the last ones.

    Parameters
    ----------
    seed
        Decides initial weights and every sentence.
    steps, batch
        How many steps, of how many sentences each.
    tick
        Called with the number of sentences seen, after every step.

    Raises
    ------
    UserError
        If `steps` or `batch` is below 1.
    """
    if steps < 1 or batch < 1:
        raise UserError("steps and batch must be at least 1", (steps, batch), "give counts")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.sample_seed(seed, 0))
        encoder: TextEncoder = TextEncoder()
        encoder.train()
        optimiser = torch.optim.AdamW(encoder.parameters(), _RATE, (0.9, 0.98), 1e-8, _DECAY)
        mean = {name: value.detach().clone() for name, value in encoder.state_dict().items()}
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = _RATE * _schedule(step, steps)
            _learn(encoder, optimiser, seeds.sample_seed(seed, step + 1), batch)
            share = min(_AVERAGE, step / (step + 10))
            for name, value in encoder.state_dict().items():
                mean[name].lerp_(value, 1 - share)
            if tick is not None:
                tick(batch)
    encoder.load_state_dict(mean)
    encoder.eval()
    return encoder


def _schedule(step: int, steps: int) -> float:
    """Return the share of the peak rate: a linear rise, then a cosine to nought."""
    warm = min(_WARM, steps // 5)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _learn(encoder: TextEncoder, optimiser: torch.optim.Optimizer, seed: int, batch: int) -> None:
    """Take one step on the sentences of `seed`."""
    texts, truths = lesson(batch, seeds.rng(seed, "text"))
    torch.manual_seed(seed)  # which words are hidden follows the step too
    order = sorted(range(batch), key=lambda i: len(texts[i]))
    optimiser.zero_grad(set_to_none=True)
    for part in np.array_split(order, min(_PARTS, batch)):  # alike in length: less padding
        goal = torch.from_numpy(targets([truths[i] for i in part]))
        ids = encoder.tokenize([texts[i] for i in part])
        loss = surprise(encoder.logits(ids), goal) * (len(part) / batch)
        loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
    optimiser.step()


def targets(truths: Sequence[Stated]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return `one_hot` of each statement, (N, N_TERMS)."""
    return np.array([one_hot(stated) for stated in truths], np.float32).reshape(-1, N_TERMS)


def surprise(logits: Tensor, goal: Tensor) -> Tensor:
    """Return the mean over texts of the cross-entropy in nats, summed over slots."""
    parts = [
        -(goal[:, a:b] * logits[:, a:b].log_softmax(1)).sum(1).mean() for a, b in slot_bounds()
    ]
    return torch.stack(parts).sum()


def accuracy(
    encoder: TextEncoder, texts: Sequence[str], truths: Sequence[Stated]
) -> dict[str, float]:
    """Return, for each slot of `SLOTS`, the share of texts whose likeliest term is a true one.

    Parameters
    ----------
    texts, truths
        What is read, and what each states; of alternatives ("BI-RADS 4") each one is true.
    """
    if len(texts) != len(truths) or not texts:
        got = (len(texts), len(truths))
        raise UserError("texts and truths must be as many, at least one", got, "give pairs")
    read = np.concatenate(
        [encoder.encode(texts[i : i + 256]).float().numpy() for i in range(0, len(texts), 256)]
    )
    goal = targets(truths)
    shares = {}
    for (name, _), (a, b) in zip(SLOTS, slot_bounds(), strict=True):
        best = read[:, a:b].argmax(1)
        shares[name] = float((goal[np.arange(len(goal)), a + best] > 0).mean())
    return shares
