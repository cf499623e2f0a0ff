"""Image engine `phantom`: the physics renderer behind the contract of `busgen.images.contract`.

In: findings, masks. Out: images.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.images.contract import ModelOptions
from busgen.images.phantom import renderer
from busgen.priors.findings import Finding


@dataclass(frozen=True)
class Engine:
    """The physics renderer, one image a task on `threads` threads."""

    size_px: int
    threads: int
    sha256: str
    name: str = "phantom"

    def render(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images (N, H, W) uint8; raise `UserError` where the masks do not fit.

        An image depends on its finding and its mask only, not on the batch or the threads.
        """
        want = (len(findings), self.size_px, self.size_px)
        if masks.shape != want or masks.dtype != np.uint8:
            got = f"{masks.shape} {masks.dtype}"
            raise UserError(f"masks must be uint8 of shape {want}", got, "draw one mask a finding")
        with ThreadPoolExecutor(self.threads) as pool:
            images = list(pool.map(renderer.render, findings, masks))
        return np.stack(images) if images else np.zeros(want, np.uint8)


def load_phantom(size_px: int, threads: int, learned: ModelOptions) -> Engine:
    """Return the engine; raise `UserError` if `learned` asks for more than it has."""
    if learned != ModelOptions(learned.model):
        rule = "phantom has no weights: adapter, steps and guidance must be null"
        raise UserError(rule, learned, "name a learned engine, or leave them out")
    return Engine(size_px, threads, hash_code(__name__))
