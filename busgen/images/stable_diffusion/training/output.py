"""What the preset `sd15` leaves: a folder that the engine `stable_diffusion` runs, or an adapter.

In: what `stage.train` returns. Out: files, safetensors only.
"""

import re
import shutil
from pathlib import Path

from diffusers.loaders import StableDiffusionLoraLoaderMixin

from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.training.networks import Networks, Recipe
from busgen.io import dumps, read_json, write_text

KIND = "stable diffusion model"
CONFIG, RECIPE = Path("unet") / "config.json", "recipe.json"


def save_model(trained: Networks, base: Path, recipe: Recipe, folder: Path) -> None:
    """Write the base's other parts and the trained ControlNet to an empty folder.

    The UNet's own size becomes the recipe's: at that size the model was trained and renders.
    """
    for part in layout.PARTS:
        if part != "controlnet":
            (folder / part).mkdir()
            for path in (base / part).iterdir():
                if path.suffix in layout.READ:
                    shutil.copyfile(path, folder / part / path.name)
    trained.controlnet.save_pretrained(folder / "controlnet", safe_serialization=True)
    factor = 2 ** (len(read_json(base / "vae" / "config.json")["block_out_channels"]) - 1)
    config = read_json(folder / CONFIG) | {"sample_size": recipe.size_px // factor}
    write_text(folder / CONFIG, dumps(config))
    write_text(folder / RECIPE, dumps(vars(recipe)))


def save_adapter(trained: Networks, recipe: Recipe, folder: Path, name: str) -> Path:
    """Write the trained adapter below the folder of a model; return its own folder.

    Raises `UserError` if `name` is no name of a folder.
    """
    from peft import get_peft_model_state_dict

    if not re.fullmatch(r"\w[\w.-]*", name):
        rule = "an adapter's name must be letters, digits, dots and dashes"
        raise UserError(rule, repr(name), "name it after its data set")
    own = folder / layout.ADAPTERS / name
    own.mkdir(parents=True)
    layers = get_peft_model_state_dict(trained.unet)
    StableDiffusionLoraLoaderMixin.save_lora_weights(own, unet_lora_layers=layers)
    write_text(own / RECIPE, dumps(vars(recipe)))
    return own
