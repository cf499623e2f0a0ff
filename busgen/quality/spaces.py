"""Feature spaces: how pictures become numbers, each with a name and the hash of what decides them.

In: a name, or the path of a feature extractor. Out: a `FeatureSpace`. `us64`: an encoder trained
on real training patients; `radiomic`: measurements, no weights; a TorchScript file: Inception-v3 or
whatever the user has, the only space whose Fréchet distance is called FID.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from busgen.errors import UserError

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
OURS = ("us64", "radiomic")
SCRIPTED = (".pt", ".pth", ".ts", ".jit")
HASH_CHARS = 12  # of a version, as a score shows it


@dataclass(frozen=True)
class FeatureSpace:
    """A space: `embed(images, masks)` of (N, S, S) uint8 both, a lesion's pixels not 0 -> (N, D).

    What cannot be measured of a picture is NaN. `sha256` is of weights and code that decide a
    coordinate; `fid` whether a Fréchet distance in it may be called FID; `ranked` whether those
    that vary most come first, so that a Fréchet distance of few pictures takes the first ones.
    """

    name: str
    sha256: str
    embed: Callable[[Pixels, Pixels], Floats]
    fid: bool = False
    ranked: bool = False

    @property
    def version(self) -> str:
        """The beginning of the hash."""
        return self.sha256[:HASH_CHARS]


def spaces_of(names: Sequence[str] | None) -> list[FeatureSpace]:
    """Return the spaces of names or paths, by default `OURS`; as `space_of`.

    Raises `UserError` too if two have one name.
    """
    spaces = [space_of(name) for name in names or OURS]
    if len({space.name for space in spaces}) < len(spaces):
        got = ", ".join(space.name for space in spaces)
        raise UserError("feature spaces must have different names", got, "name each once")
    return spaces


def space_of(name: str) -> FeatureSpace:
    """Return the space `us64` or `radiomic`, or that of the TorchScript file `name`.

    Raises
    ------
    UserError
        If it is none of these. Weights alone (safetensors, ONNX) are refused: the architecture is
        not in them, or nothing here runs it.
    """
    if name == "us64":
        from busgen.quality.us64.features import load_space

        learned = load_space()
        return FeatureSpace(name, learned.sha256, lambda x, _: learned.embed(x), ranked=True)
    if name == "radiomic":
        from busgen.quality.radiomic.space import embed, sha256

        return FeatureSpace(name, sha256(), embed)
    path = Path(name)
    if path.suffix.lower() in SCRIPTED:
        from busgen.quality.extractor import load_extractor

        scripted = load_extractor(path)
        return FeatureSpace(path.stem, scripted.sha256, lambda x, _: scripted.embed(x), fid=True)
    rule = f"a feature space must be {', '.join(OURS)} or a TorchScript file ({' '.join(SCRIPTED)})"
    remedy = "export the network: torch.jit.trace(net.eval(), torch.zeros(1, 3, 299, 299)).save(..)"
    raise UserError(rule, name, remedy)
