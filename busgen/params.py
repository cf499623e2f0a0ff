"""Parameters: params.yaml as frozen models, one section a stage; an unknown key is an error.

In: a YAML file, or nothing for the defaults. Out: `Params`.
"""

import re
from collections.abc import Mapping, Sequence
from math import inf, isnan
from pathlib import Path
from typing import Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from busgen.errors import UserError
from busgen.schema import DATASETS, VARIED
from busgen.seeds import MAX_SEED

KS_GROUPS = ("geometry", "grey", "depth", "texture", "judges")  # groups of a release's statistics
LIMITED = re.compile(  # scores of a release that limits may name
    rf"ks_({'|'.join(KS_GROUPS)})\.(benign|malignant|pooled)|descriptor_auc|repeats|near_duplicates"
    r"|fid|copies"
    r"|(kid|mmd|frechet|precision|recall|density|coverage|vendi)_(us64|radiomic)"
    r"|privacy_(ratio|nearer|inauthentic|same_patient)_(us64|radiomic|masks)"
)
WITHOUT_LIMIT = re.compile(
    r"ks_.*|descriptor_auc|repeats|near_duplicates"
)  # no quantile of a floor
Split = Literal["train", "validation", "test"]
Model = TypeVar("Model", bound=BaseModel)
Targets = dict[str, bool | dict[str, float]]
Action = Literal["reject", "flag", "off"]


class Section(BaseModel):
    """One stage's parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(Section):
    """Bounds of one score."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not exceed max: {self.min} > {self.max} passes nothing")
        return self

    @field_validator("action", "untaught", mode="before", check_fields=False)
    @classmethod
    def _yaml_off(cls, action: object) -> object:
        return "off" if action is False else action  # YAML 1.1 reads a bare `off` as false

    def passes(self, score: float) -> bool:
        """Whether `score` is within the bounds; NaN never is."""
        if isnan(score):
            return False
        return (self.min is None or score >= self.min) and (self.max is None or score <= self.max)


class Gate(Bounds):
    """Bounds of a sample's score, and what leaving them means.

    A gate that real pictures taught has a second action, `untaught`: what it does to a picture
    whose like it was not taught by, because its engine learned from no picture
    (`busgen.images.engines.UNTAUGHT`) or no training patient was seen by such a scanner
    (`busgen.gates.scores.UNSEEN`). None stands for `action`.
    """

    action: Action = "reject"
    untaught: Action | None = None

    def does(self, *, taught: bool) -> Action:
        """Return the action on a picture, by whether the gate was taught by its like."""
        return self.action if taught else self.untaught or self.action


class Limit(Bounds):
    """Bounds of a release's score, and what leaving them means: marked as failing, or refused.

    `of` says in what they are given: the score's own unit, or its floor's limit (the 97.5 %
    quantile of real against real, 2.5 % where low is bad), of which 1 is as good as real.
    """

    action: Literal["refuse", "mark", "off"] = "mark"
    of: Literal["value", "floor_limit"] = "value"

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a limit must have a min or a max, e.g. {max: 0.3}")
        return self


# compatible with what real images calibrate (`gates.calibration.bounds`); judges' bounds are these
DEFAULT_GATES = {
    "mask_error": Gate(max=0.1),
    "grey_sd": Gate(min=15.0),
    "saturated": Gate(max=0.03),
    "sharpness": Gate(min=0.05),
    "overlay": Gate(max=25.0, untaught="flag"),
    "strangeness": Gate(max=2.14, untaught="flag"),
    "upright": Gate(min=1.79, untaught="flag"),
    "contrast": Gate(min=0.0),
    "intensity": Gate(max=1.71, untaught="flag"),
    "descriptor_agreement": Gate(action="flag", min=-1.21),
    "mask_agreement": Gate(action="flag", min=0.25),
    "boundary_distance": Gate(action="flag", max=0.423),
    "mask_fit": Gate(min=-2.53, untaught="flag"),
    "label_confidence": Gate(min=0.047),
    "copy_similarity": Gate(max=0.653),
    "duplicate_distance": Gate(min=4.0),
}
# scores that judges give
JUDGED = ("mask_agreement", "boundary_distance", "mask_fit", "label_confidence")
# none is tuned to what ships: a strong difference of the report, the goal of `busgen bench images`,
# and what real pictures of other patients keep. `near_duplicates`: one picture in a hundred may by
# chance look like one of another family, mirrored or cropped too; more is a set that repeats itself
DEFAULT_LIMITS = {
    **{f"ks_{name}.pooled": Limit(max=0.3) for name in KS_GROUPS},
    "kid_us64": Limit(max=2.0, of="floor_limit"),
    "frechet_us64": Limit(max=2.0, of="floor_limit"),
    "fid": Limit(max=2.0, of="floor_limit"),
    "coverage_us64": Limit(min=1.0, of="floor_limit"),
    "near_duplicates": Limit(max=0.01),
    "copies": Limit(max=1.0, of="floor_limit"),
    "privacy_same_patient_us64": Limit(max=1.0, of="floor_limit"),
    "privacy_nearer_us64": Limit(max=1.0, of="floor_limit"),
}


class RealParams(Section):
    """Stage `real`: public datasets to read, name -> folder as published."""

    datasets: dict[str, Path] = {}


class PriorsParams(Section):
    """Stage `priors`: how the sources are pooled (`busgen.priors.fitting.fit.Pooling`).

    `weights`: dataset -> weight of its patients, 1 where it is not named, and ``published`` -> with
    how many pseudo-lesions the published prior stands in every row; 0 leaves a source out.
    `backoff`: pseudo-lesions that follow the class alone. `inferred`: whether a lesion counts in
    the tables of terms that it does not state too. `follow`: field -> dataset whose shares
    it takes over, where that dataset is read.
    """

    weights: dict[str, float] = {"published": 20.0, "breast": 1.0, "bus_bra": 1.0, "busi": 1.0}
    backoff: float = Field(default=20.0, ge=0)
    inferred: bool = False
    follow: dict[str, str] = {"orientation": "bus_bra"}

    @field_validator("weights")
    @classmethod
    def _sources(cls, weights: dict[str, float]) -> dict[str, float]:
        known = ("published", *DATASETS)
        unknown = sorted(set(weights) - set(known))
        if unknown:
            raise ValueError(f"unknown source {unknown[0]}: choose from {', '.join(known)}")
        if not all(0 <= weight < inf for weight in weights.values()):
            raise ValueError("weights must be finite and >= 0: 0 leaves a source out")
        return weights


class JudgeParams(Section):
    """One ensemble of judges: input, levels' widths, members, and how long and fast each learns."""

    members: int = Field(default=3, ge=1, le=16)
    size_px: int = Field(default=160, ge=32, le=512, multiple_of=32)
    widths: tuple[int, ...] = Field(default=(16, 32, 64, 96, 128), min_length=2, max_length=5)
    epochs: int = Field(default=36, ge=1)
    polish: int = Field(default=20, ge=0)
    batch: int = Field(default=16, ge=2)
    rate: float = Field(default=3e-3, gt=0)


class ClassifierParams(JudgeParams):
    """The classifiers: besides, the window in sides of the lesion, members without mask."""

    size_px: int = Field(default=96, ge=32, le=512, multiple_of=32)
    epochs: int = Field(default=20, ge=1)
    polish: int = Field(default=0, ge=0)
    widths: tuple[int, ...] = Field(default=(24, 48, 96, 128), min_length=2)
    batch: int = Field(default=32, ge=2)
    rate: float = Field(default=2e-3, gt=0)
    members: int = Field(default=6, ge=1, le=16)
    context: float = Field(default=1.8, ge=1, le=4)
    blind: int = Field(default=3, ge=0)


class TrainJudgesParams(Section):
    """Stage `train_judges`: the segmenters, the classifiers; `workers` trained at once."""

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    segmenter: JudgeParams = JudgeParams()
    classifier: ClassifierParams = ClassifierParams()
    half_precision: bool = True
    workers: int = Field(default=2, ge=1)


class PaceParams(Section):
    """How long something learns: steps of `accumulate` batches each, at most at `rate`."""

    steps: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    rate: float = Field(gt=0)

    @property
    def seen(self) -> int:
        """Pictures that are seen."""
        return self.steps * self.batch * self.accumulate


class FlowParams(PaceParams):
    """The denoising network: besides, its shape (`busgen.images.diffusion.training.flow`)."""

    steps: int = Field(default=8000, ge=0)
    rate: float = Field(default=6e-4, gt=0)
    widths: tuple[int, ...] = Field(default=(64, 128, 192), min_length=2, max_length=4)
    layers: int = Field(default=1, ge=1, le=4)


class GuidedParams(PaceParams):
    """Guidance that is folded into the network: strength of text and of mask, 1 is none."""

    steps: int = Field(default=300, ge=0)
    rate: float = Field(default=2e-4, gt=0)
    text: float = Field(default=2.0, ge=1, le=10)
    mask: float = Field(default=1.3, ge=1, le=10)


class DecoderParams(PaceParams):
    """The decoder, tuned to what the network draws."""

    steps: int = Field(default=1200, ge=0)
    rate: float = Field(default=4e-4, gt=0)


class AdapterParams(PaceParams):
    """Low-rank adaptation to another data set: besides, the rank of the changes."""

    steps: int = Field(default=400, ge=1)
    rate: float = Field(default=5e-4, gt=0)
    rank: Literal[2, 4, 8] = 8


class TrainMasksParams(Section):
    """Stage `train_masks`: the network that draws outlines; `patience` looks, 250 steps apart."""

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=256, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    patience: int = Field(default=6, ge=1)
    width: int = Field(default=256, ge=16, le=1024)
    layers: int = Field(default=3, ge=1, le=8)


class TrainImagesParams(Section):
    """Stage `train_images`: autoencoder, denoising network, guidance, decoder.

    `start` is the folder of a trained generator to begin with: the latents of its
    autoencoder are kept, its denoising network and its decoder learn on.
    """

    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    start: Path | None = None
    autoencoder: PaceParams = PaceParams(steps=2000, rate=8e-4)
    flow: FlowParams = FlowParams()
    guided: GuidedParams = GuidedParams()
    decoder: DecoderParams = DecoderParams()
    adapter: AdapterParams = AdapterParams()
    half_precision: bool = True


class GenerateParams(Section):
    """Stage `generate`: what is asked for, which engines make it, what they must pass.

    `prior`, `judges` and `mask_model` (the learned mask engine's weights) are files or folders;
    None stands for those that ship. Judges are asked only where one of their gates is not off.
    `known` are what no picture may be a copy of: files of real pictures (`busgen calibrate` makes
    them), folders of earlier releases; with none nothing is asked.
    `vary` makes of each of the `n` findings a counterfactual family,
    one sample for each term of that field (`busgen.priors.families`). `model`, `adapter`, `steps`
    and `guidance` are for learned engines (`busgen.images.engines.Learned`).
    """

    n: int = Field(default=600, ge=1)
    seed: int = Field(default=7, ge=0, le=MAX_SEED)
    size_px: int = Field(default=256, ge=32, le=1024, multiple_of=8)
    prior: Path | None = None
    judges: Path | None = None
    mask_model: Path | None = None
    known: tuple[Path, ...] = ()
    where: tuple[str, ...] = ()
    text: str | None = None
    targets: Targets = {}
    vary: str | None = None
    mask_engine: str = "semantic_curvature"
    engine: str = "diffusion"
    model: str | None = None
    adapter: str | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=50)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    max_attempts: int = Field(default=5, ge=1, le=1000)
    max_unfilled: float = Field(default=0.01, ge=0, le=1)
    shard_size: int = Field(default=256, ge=1, le=4096)
    runner: Literal["threads", "dask"] = "threads"
    workers: int = Field(default=1, ge=1)
    gates: dict[str, Gate] = DEFAULT_GATES

    @field_validator("vary")
    @classmethod
    def _may_vary(cls, field: str | None) -> str | None:
        if field not in (None, *VARIED):
            raise ValueError(
                f"must be null or one of {', '.join(VARIED)}; pathology and birads are what is "
                "read from the picture"
            )
        return field

    @field_validator("gates")
    @classmethod
    def _known(cls, gates: dict[str, Gate]) -> dict[str, Gate]:
        unknown = sorted(set(gates) - set(DEFAULT_GATES))
        if unknown:
            raise ValueError(f"unknown gate {unknown[0]}: choose from {', '.join(DEFAULT_GATES)}")
        return DEFAULT_GATES | gates


class ReleaseParams(Section):
    """Stage `release`: its title and the share of families in each split."""

    title: str = "Synthetic breast ultrasound"
    splits: dict[Split, float] = {"train": 1.0}

    @field_validator("splits")
    @classmethod
    def _shares(cls, splits: dict[Split, float]) -> dict[Split, float]:
        if min(splits.values(), default=-1) < 0 or abs(sum(splits.values()) - 1) > 1e-6:
            raise ValueError("shares must be positive and sum to 1: e.g. {train: .8, test: .2}")
        return splits


class QualityParams(Section):
    """Stage `quality`: what a release is compared with, and the limits that it must keep.

    `reference` real statistics, None for those that ship; `max_samples` at most looked at. `real`
    what `busgen real --out` wrote: without it scores that need real pictures are not measured;
    `extractor` a TorchScript file or transformers folder whose Fréchet distance is called
    FID. `previous` folders of earlier releases, whose pictures are looked for in this one. Of these
    DVC knows the paths alone.
    """

    reference: Path | None = None
    max_samples: int = Field(default=1000, ge=50)
    real: Path | None = None
    extractor: Path | None = None
    previous: tuple[Path, ...] = ()
    limits: dict[str, Limit] = DEFAULT_LIMITS

    @field_validator("limits")
    @classmethod
    def _known(cls, limits: dict[str, Limit]) -> dict[str, Limit]:
        for name, limit in limits.items():
            if not LIMITED.fullmatch(name):
                known = f"{', '.join(DEFAULT_LIMITS)}, or another score (README)"
                raise ValueError(f"unknown score {name}: choose from {known}")
            if limit.of == "floor_limit" and WITHOUT_LIMIT.fullmatch(name):
                raise ValueError(f"{name} must be limited by its value: its floor has no limit")
        return DEFAULT_LIMITS | limits


class DownstreamParams(Section):
    """Stage `downstream`: training sets, arms and tasks to compare, empty for the usual ones.

    `seeds` trainings of each arm, `folds` of a data set that is cross-validated, 1 for none,
    `steps` of each training by task, `workers` trained at once; `generator_saw` what is said of the
    generator's patients, else what the release's provenance tells
    (`busgen.downstream.data.synthetic_set.SAW`).
    """

    train: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    tasks: tuple[Literal["classification", "segmentation"], ...] = ()
    seeds: int = Field(default=3, ge=1)
    folds: int = Field(default=5, ge=1)
    steps: dict[Literal["classification", "segmentation"], int] = {
        "classification": 600,
        "segmentation": 500,
    }
    generator_saw: Literal["none", "own", "pooled", "unknown"] | None = None
    workers: int = Field(default=2, ge=1)

    @field_validator("steps")
    @classmethod
    def _positive(cls, steps: dict[str, int]) -> dict[str, int]:
        if min(steps.values(), default=1) < 1:
            raise ValueError("steps must be 1 or more: e.g. {classification: 600}")
        return {"classification": 600, "segmentation": 500} | steps


class ReportParams(Section):
    """Stage `report`: pictures a stratum in the gallery, and what stands beside the release.

    `previous` is a folder with ``release`` and ``quality`` of an earlier version, `downstream` one
    that `busgen downstream` wrote.
    """

    gallery: int = Field(default=4, ge=1, le=10)
    previous: Path | None = None
    downstream: Path | None = None


class Params(Section):
    """The whole of params.yaml."""

    real: RealParams = RealParams()
    priors: PriorsParams = PriorsParams()
    train_judges: TrainJudgesParams = TrainJudgesParams()
    train_masks: TrainMasksParams = TrainMasksParams()
    train_images: TrainImagesParams = TrainImagesParams()
    generate: GenerateParams = GenerateParams()
    release: ReleaseParams = ReleaseParams()
    quality: QualityParams = QualityParams()
    downstream: DownstreamParams = DownstreamParams()
    report: ReportParams = ReportParams()


def parse_targets(words: Sequence[str]) -> Targets:
    """Return target marginals from the command line's words, ``field.term=share`` or a switch.

    ``["margin.spiculated=0.3", "size_matched"]`` -> ``{"margin": {"spiculated": .3},
    "size_matched": True}``.
    """
    targets: Targets = {}
    for word in words:
        key, _, share = word.partition("=")
        name, _, term = key.partition(".")
        if not term and not share:
            targets[name] = True
            continue
        marginal = targets.setdefault(name, {})
        try:
            if not term or isinstance(marginal, bool):
                raise ValueError(word)
            marginal[term] = float(share)
        except ValueError:
            rule = "a target must be field.term=share"
            raise UserError(rule, repr(word), "e.g. --target pathology.malignant=0.5") from None
    return targets


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Return the parameters in `path`.

    Raises
    ------
    UserError
        If the file is missing, no YAML mapping, or breaks a rule; names key and value.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} must be readable", error, "run in a checkout or name a file"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} must be YAML", error, "mend the line that it names") from error
    if not isinstance(content or {}, Mapping):
        raise UserError(f"{path} must map sections to keys", type(content).__name__, "see README")
    return check(Params, content or {}, str(path))


def check(model: type[Model], content: Mapping[str, object], where: str) -> Model:
    """Return `content` as `model`; the first broken rule is a `UserError` that names its key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        rule = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            rule = "unknown key"
            got: object = key
        else:
            got = repr(first["input"])
        raise UserError(f"{key}: {rule}", got, f"mend it in {where}") from None
