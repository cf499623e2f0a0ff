"""Feature spaces: how images become numbers, each with a name and the hash of what decides them.

In: a name, or the path of a feature extractor. Out: a `FeatureSpace`. `us64`: an encoder trained
on real training patients; `radiomic`: measurements, no weights; a TorchScript file or a folder of
the transformers library: Inception-v3 or whatever the user has, the only spaces whose Fréchet
distance is called FID.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from busgen.arrays import Floats, Pixels
from busgen.code import hash_code
from busgen.errors import UserError

OURS = ("us64", "radiomic")  # measured by default
KNOWN = (*OURS, "lite1")
SCRIPTED = (".pt", ".pth", ".ts", ".jit")
HASH_CHARS = 12  # of a version, as a score shows it


class FeatureSpace(NamedTuple):
    """A space: `embed(images, masks)` of (N, S, S) uint8 both, a lesion's pixels not 0 -> (N, D).

    What cannot be measured of an image is NaN. `sha256` is of weights and code that decide a
    coordinate; `fid` whether a Fréchet distance in it may be called FID; `ranked` whether those
    that vary most come first, so that a Fréchet distance of few images takes the first ones.
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


def load_spaces(names: Sequence[str] | None, *, allow_code: bool = False) -> list[FeatureSpace]:
    """Return the spaces of names or paths, by default `OURS`; as `load_space`.

    Raises `UserError` too if two have one name.
    """
    spaces = [load_space(name, allow_code=allow_code) for name in names or OURS]
    if len({space.name for space in spaces}) < len(spaces):
        got = ", ".join(space.name for space in spaces)
        raise UserError("feature spaces must have different names", got, "name each once")
    return spaces


def load_space(name: str, *, allow_code: bool = False) -> FeatureSpace:
    """Return the space `us64`, `radiomic` or `lite1`, or that of an extractor at the path `name`.

    Raises `UserError` if it is none of these. Weights alone (a safetensors file, ONNX) are refused:
    the architecture is not in them, or nothing here runs it; TorchScript without `allow_code`.
    """
    if name == "us64":
        from busgen.metrics.spaces.us64 import features

        learned = features.load_model()
        return FeatureSpace(name, learned.sha256, lambda x, _: learned.embed(x), ranked=True)
    if name == "lite1":
        from busgen.metrics.spaces.lite1 import features_of, load_axes

        axes = load_axes()
        return FeatureSpace(
            name, axes.sha256, lambda x, _: axes.project(features_of(x)), ranked=True
        )
    if name == "radiomic":
        from busgen.metrics.spaces import radiomic

        return FeatureSpace(name, hash_code(radiomic.__name__), radiomic.embed)
    path = Path(name)
    if path.suffix.lower() in SCRIPTED or path.is_dir():
        from busgen.metrics.spaces import user_network

        own = user_network.load_model(path, allow_code=allow_code)
        label = path.resolve().name if path.is_dir() else path.stem
        return FeatureSpace(label, own.sha256, lambda x, _: own.embed(x), fid=True)
    rule = (
        f"a feature space must be {', '.join(KNOWN)}, a TorchScript file ({' '.join(SCRIPTED)}) or "
        "a folder of the transformers library"
    )
    remedy = "write one: torch.jit.trace(net, example).save(FILE), or model.save_pretrained(FOLDER)"
    raise UserError(rule, name, remedy)
