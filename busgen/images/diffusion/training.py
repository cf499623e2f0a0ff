"""Stage `train_images`: pictures of training patients -> the generator, step by step.

In: canonical tables, the cohort, parameters. Out: a folder that the engine `diffusion` loads:
text encoder, autoencoder, denoising network with guidance folded in, card, scores, log. Each part
stands in the work folder once it is done; a killed training goes on from its last checkpoint.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from busgen import io
from busgen.images.diffusion.autoencoder import Autoencoder
from busgen.images.diffusion.autoencoder_training import train_autoencoder
from busgen.images.diffusion.card import COMPONENTS, EVIDENCE, hardware, write_card
from busgen.images.diffusion.conditions import FieldTokens
from busgen.images.diffusion.flow_training import FlowTrainee, Network, new_modules
from busgen.images.diffusion.folder import MANIFEST, load_pipeline, save_pipeline
from busgen.images.diffusion.latents import (
    KEEP,
    VIEWS,
    WORDINGS,
    Views,
    encode_views,
    load_views,
    put_into_words,
    save_views,
)
from busgen.images.diffusion.loop import LOG, Pace, Tick, run
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Guidance,
    make_scheduler,
)
from busgen.images.diffusion.text import TextEncoder
from busgen.images.diffusion.text_training import train_text
from busgen.images.pictures import BOUNDS, SPLITS, Pictures, prepare
from busgen.params import PaceParams, TrainImagesParams
from busgen.real.crops import SIDE

PARTS = ("text", "autoencoder", "flow", "guided")  # in the order in which they are trained


@dataclass(frozen=True)
class Training:
    """A training that can start: what it reads, where it works, where it ends."""

    params: TrainImagesParams
    tables: tuple[Path, ...]
    cohort: Path
    work: Path
    out: Path

    def pace(self, part: str) -> Pace:
        """Return how long and how fast a part learns."""
        asked: PaceParams = getattr(self.params, part)
        return Pace(
            steps=asked.steps,
            batch=asked.batch,
            rate=asked.rate,
            seed=self.params.seed + PARTS.index(part),
            accumulate=asked.accumulate,
            half_precision=self.params.half_precision,
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are trained: with a generator to start from, only its network."""
        asked = PARTS[2:] if self.params.start else PARTS
        return tuple(part for part in asked if getattr(self.params, part).steps)

    @property
    def seen(self) -> Mapping[str, int]:
        """Sentences and pictures that each part sees, as `tick` counts them."""
        return {part: getattr(self.params, part).seen for part in self.parts}


def resolve(
    tables: Sequence[Path], cohort: Path, params: TrainImagesParams, work: Path, out: Path
) -> Training:
    """Return the training; its work folder's name hashes all that decides the weights.

    Raises
    ------
    UserError
        If `out` holds other things, or `params.start` no generator.
    """
    io.require_vacant(out, ours=MANIFEST)
    key = params.model_dump_json()
    if params.start:
        from busgen.images.diffusion.folder import checked_hash

        key += checked_hash(params.start)
    here = Path(__file__).parent
    code = [*sorted(here.glob("*.py")), here.parent / "captions.py", here.parent / "bounds.py"]
    key += "".join(io.sha256_file(path) for path in (*tables, cohort, *code))
    name = f"images-{io.sha256_bytes(key.encode())[:16]}"
    return Training(params, tuple(tables), cohort, work / name, out)


def train(training: Training, ticks: Callable[[str], Tick]) -> Path:
    """Train what is not trained yet, publish it, and return its folder.

    `ticks(part)` gives what is told how many sentences or pictures the part has seen.
    """
    pictures = prepare(training.tables, training.cohort, training.work)
    encoder = text_encoder(training, ticks)
    autoencoder = autoencoder_of(training, pictures, ticks)
    views = {split: views_of(training, pictures, split, autoencoder) for split in SPLITS}
    words = {
        "train": put_into_words(pictures["train"].captions, encoder, WORDINGS, KEEP),
        "validation": put_into_words(pictures["validation"].captions, encoder, 1, 1.0),
    }
    modules = denoiser(training, int(autoencoder.config.channels), views, words, ticks)
    pipeline = BreastUltrasoundPipeline(
        autoencoder.cpu(),
        encoder,
        cast(FieldTokens, modules["tokens"].cpu()),
        modules["unet"].cpu(),
        make_scheduler(),
    )
    return publish(training, pictures, pipeline)


def text_encoder(training: Training, ticks: Callable[[str], Tick]) -> TextEncoder:
    """Return the text encoder: trained, read from the work folder, or the one to start from."""
    folder = training.params.start or training.work
    path = folder / ("text_encoder" if training.params.start else "text")
    if not path.is_dir():
        asked, tick = training.params.text, ticks("text")
        made = train_text(training.params.seed, asked.steps, batch=asked.batch, tick=tick)
        with io.replacing_folder(path) as partial:
            made.save_pretrained(partial)
    made = TextEncoder.from_pretrained(path, use_safetensors=True, dtype=torch.float32)
    return made.eval()  # type: ignore[no-any-return]


def autoencoder_of(
    training: Training, pictures: Mapping[str, Pictures], ticks: Callable[[str], Tick]
) -> Autoencoder:
    """Return the autoencoder: trained, read from the work folder, or the one to start from."""
    folder = training.params.start or training.work
    path = folder / "autoencoder"
    if not path.is_dir():
        crops = {split: each.crops for split, each in pictures.items()}
        work = training.work / "autoencoder.training"
        made = train_autoencoder(crops, training.pace("autoencoder"), work, ticks("autoencoder"))
        with io.replacing_folder(path) as partial:
            made.save_pretrained(partial)
    made = Autoencoder.from_pretrained(path, use_safetensors=True, dtype=torch.float32)
    return made.to(_device()).eval()  # type: ignore[no-any-return]


def views_of(
    training: Training, pictures: Mapping[str, Pictures], split: str, autoencoder: Autoencoder
) -> Views:
    """Return the encoded views of a split, encoded once."""
    path = training.work / f"views-{split}.safetensors"
    if not path.is_file():
        count = VIEWS if split == "train" else 1
        save_views(encode_views(autoencoder, pictures[split].crops, count), path)
    return load_views(path)


def denoiser(
    training: Training,
    channels: int,
    views: Mapping[str, Views],
    words: Mapping[str, Tensor],
    ticks: Callable[[str], Tick],
) -> Mapping[str, nn.Module]:
    """Return the denoising network and its tokens, learned and then guided by themselves."""
    modules: Mapping[str, nn.Module]
    params = training.params
    if params.start:
        begun = load_pipeline(params.start, torch.device("cpu"))
        modules = {"unet": begun.unet, "tokens": begun.tokens}
    else:
        network = Network(params.flow.widths, params.flow.layers)
        modules = new_modules(network, SIDE, channels, params.seed)
    for part in PARTS[2:]:
        if part in training.parts:
            guide = guidance(params) if part == "guided" else None
            for module in modules.values():
                module.requires_grad_(requires_grad=True)
            trainee = FlowTrainee(modules, views, words, guide)
            modules = run(
                trainee, training.pace(part), training.work / f"{part}.training", ticks(part)
            )
    return modules


def guidance(params: TrainImagesParams) -> Guidance:
    """Return the guidance that is folded in."""
    return Guidance(text=params.guided.text, mask=params.guided.mask)


def publish(
    training: Training,
    pictures: Mapping[str, Pictures],
    pipeline: BreastUltrasoundPipeline,
) -> Path:
    """Write the finished generator with parameters, logs, facts about its data, and its card."""
    with io.replacing_folder(training.out) as partial:
        evidence = partial / EVIDENCE
        evidence.mkdir(parents=True)
        for part in training.parts:
            log = training.work / f"{part}.training" / LOG
            if log.is_file():
                shutil.copy(log, evidence / f"{part}.jsonl")
        shutil.copy(training.work / BOUNDS, evidence / BOUNDS)
        io.write_text(evidence / "params.json", training.params.model_dump_json(indent=1) + "\n")
        io.write_text(evidence / "facts.json", io.dumps(facts(training, pictures, pipeline)))
        save_pipeline(pipeline, partial)
        write_card(partial)
    return training.out


def facts(
    training: Training, pictures: Mapping[str, Pictures], pipeline: BreastUltrasoundPipeline
) -> dict[str, Any]:
    """Return what the card tells of data, network and machine."""
    data = {}
    for table in training.tables:
        info = io.read_json(table.parent / "info.json")
        told = {key: info[key] for key in ("citation", "doi", "licence")}
        name = table.parent.name
        counts = {s: int((each.crops.datasets == name).sum()) for s, each in pictures.items()}
        if counts["train"]:
            data[name] = told | counts
    flow = [training.pace(part).seen for part in PARTS[2:] if part in training.parts]
    captions = pictures["train"].captions
    return {
        "data": data,
        "weights": {
            name: sum(weight.numel() for weight in getattr(pipeline, name).parameters())
            for name in COMPONENTS
        },
        "size_px": SIDE,
        "steps": STEPS,
        "hardware": hardware(),
        "epochs": round(sum(flow) / len(captions)),
        "described": sum(caption.halo is not None for caption in captions),
    }


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
