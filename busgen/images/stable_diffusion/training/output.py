"""What the preset `sd15` leaves: a folder that the engine `stable_diffusion` runs, or an adapter.

In: what `training.train` returns. Out: files, safetensors only.
"""

import re
import shutil
from pathlib import Path

from diffusers.loaders import StableDiffusionLoraLoaderMixin

from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.training.networks import Recipe, Trained
from busgen.io import dumps, read_json, replacing_folder, require_vacant, write_text

CONFIG, RECIPE = Path("unet") / "config.json", "recipe.json"


def write_model(trained: Trained, base: Path, recipe: Recipe, out: Path) -> None:
    """Write the base's other parts and the trained ControlNet to the folder `out`.

    The UNet's own size becomes the recipe's: at that size the model was trained and renders.

    Raises
    ------
    UserError
        If `out` holds anything but an earlier model of this preset.
    """
    require_vacant(out, ours=RECIPE)
    with replacing_folder(out) as partial:
        for part in layout.PARTS:
            if part != "controlnet":
                _copy(base / part, partial / part)
        trained.controlnet.save_pretrained(partial / "controlnet", safe_serialization=True)
        factor = 2 ** (len(_widths(base)) - 1)
        config = read_json(partial / CONFIG) | {"sample_size": recipe.size_px // factor}
        write_text(partial / CONFIG, dumps(config))
        write_text(partial / RECIPE, dumps(vars(recipe)))


def write_adapter(trained: Trained, recipe: Recipe, model: Path, name: str) -> None:
    """Write the trained adapter to `model`, where engines find it by `name`.

    Raises
    ------
    UserError
        If `name` is no name of a folder.
    """
    from peft import get_peft_model_state_dict

    if not re.fullmatch(r"\w[\w.-]*", name):
        rule = "an adapter's name must be letters, digits, dots and dashes"
        raise UserError(rule, repr(name), "name it after its data set")
    with replacing_folder(model / layout.ADAPTERS / name) as partial:
        layers = get_peft_model_state_dict(trained.unet)
        StableDiffusionLoraLoaderMixin.save_lora_weights(partial, unet_lora_layers=layers)
        write_text(partial / RECIPE, dumps(vars(recipe)))


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        if path.suffix in layout.READ:
            shutil.copyfile(path, target / path.name)


def _widths(base: Path) -> list[int]:
    widths = read_json(base / "vae" / "config.json")["block_out_channels"]
    return widths if isinstance(widths, list) else []
