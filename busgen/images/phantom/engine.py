"""Image engine `phantom`: the physics renderer behind the contract of `busgen.images.contract`.

In: findings, masks. Out: images.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from busgen.code import code_sha256
from busgen.errors import UserError
from busgen.images.contract import Learned
from busgen.images.phantom import renderer
from busgen.priors.findings import Finding


@dataclass(frozen=True)
class PhantomEngine:
    """The physics renderer, one picture a task on `threads` threads."""

    size_px: int
    threads: int
    sha256: str
    name: str = "phantom"

    def render(self, findings: Sequence[Finding], masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pictures (N, H, W) uint8; raise `UserError` where the masks do not fit.

        A picture depends on its finding and its mask only, not on the batch or the threads.
        """
        want = (len(findings), self.size_px, self.size_px)
        if masks.shape != want or masks.dtype != np.uint8:
            got = f"{masks.shape} {masks.dtype}"
            raise UserError(f"masks must be uint8 of shape {want}", got, "draw one mask a finding")
        with ThreadPoolExecutor(self.threads) as pool:
            pictures = list(pool.map(renderer.render_one, findings, masks))
        return np.stack(pictures) if pictures else np.zeros(want, np.uint8)


def load_phantom(size_px: int, threads: int, learned: Learned) -> PhantomEngine:
    """Return the engine; raise `UserError` if `learned` asks for more than it has."""
    if learned != Learned(learned.model):
        rule = "phantom has no weights: adapter, steps and guidance must be null"
        raise UserError(rule, learned, "name a learned engine, or leave them out")
    return PhantomEngine(size_px, threads, code_sha256(__name__))
