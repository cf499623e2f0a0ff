"""A reader study from end to end with no patient and no reader, to see what comes out.

In: a folder to write. Out: in it a release, images that stand for patients' (the phantom's too, of
other seeds), the page and the key of a study, answers of two simulated readers, their scores.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from busgen import folders, io, seeds
from busgen.factory.library import generate, make_release
from busgen.params.gates import DEFAULT_GATES
from busgen.params.generate import GenerateParams
from busgen.params.load import Params
from busgen.params.real import DatasetMap
from busgen.reader_study.page import KEY_FILE, write_study
from busgen.reader_study.records import ANSWERS, RATINGS, Record, seal
from busgen.reader_study.study import Options
from busgen.reader_study.summary import write_scores
from busgen.real.cohort import assign_split
from busgen.real.prepare import prepare

EXAMPLE = "reader study's example"
STANDING = "standing"  # name of the dataset that stands for patients' images
READERS = {"experienced": 2.0, "beginner": 0.5}  # and how far apart the two kinds look to them
N, SIDE_PX = 20, 96
SEED = 7


def write_example(out: Path, say: Callable[[str], None] = lambda _: None) -> Record:
    """Run a study of two simulated readers in the folder `out`, and return its scores.

    `out` must not exist or be empty. It then holds ``release``, ``standing``, ``real``, ``study``
    and ``scores``. Raises `UserError` if it cannot be written.
    """
    folders.require_new(out)
    with folders.write_folder(out, EXAMPLE) as folder:
        say("making the release, and images that stand for patients': no patient is in them")
        release = folder / "release"
        make_release(_request(2 * N, SEED, SIDE_PX), release)
        real = _stand_in(folder)
        say("writing the page, and the answers of two simulated readers")
        key = write_study(release, real, folder / "study", Options(N, SEED))
        answers = []
        for reader, distance in READERS.items():
            answers.append(folder / "study" / f"answers-{reader}.json")
            io.write_text(answers[-1], io.dumps(_simulate(key, reader, distance, SEED)))
        return write_scores(answers, folder / "study" / KEY_FILE, folder / "scores")


def _request(n: int, seed: int, size_px: int) -> Params:
    """Return what is made: lesions of both classes by physics, whatever the gates say."""
    off = {k: gate.model_copy(update={"action": "off"}) for k, gate in DEFAULT_GATES.items()}
    request = GenerateParams(
        engine="phantom",
        mask_engine="curvature",
        n=n,
        seed=seed,
        size_px=size_px,
        targets={"pathology": {"benign": 0.5, "malignant": 0.5}},
        gates=off,
    )
    return Params(generate=request)


def _stand_in(folder: Path) -> Path:
    """Return canonical data of phantoms, each a test patient's: twice the side, to be cut."""
    given = generate(params=_request(2 * N, SEED + 1, 2 * SIDE_PX))
    names = (f"{STANDING}-{k}" for k in range(10_000))
    patients = (name for name in names if assign_split(name) == "test")
    place = folder / STANDING
    for name in ("images", "masks"):
        (place / name).mkdir(parents=True)
    lines = ["image,patient,class,pixel"]
    for number, name in enumerate(islice(patients, len(given))):
        sample = given[number]
        for part, factor in (("image", 1), ("mask", 255)):
            pixels = sample[part] * np.uint8(factor)
            (place / f"{part}s" / f"{number}.png").write_bytes(io.encode_png(pixels))
        patient = name.removeprefix(f"{STANDING}-")
        lines.append(f"{number}.png,{patient},{sample['pathology']},{sample['pixel_mm']}")
    io.write_text(place / "cases.csv", "\n".join(lines) + "\n")
    described = DatasetMap.model_validate(
        {
            "name": STANDING,
            "licence": "CC BY 4.0",
            "pixels_may_show": True,
            "images": "images/*.png",
            "masks": "masks/{stem}.png",
            "table": "cases.csv",
            "file": "image",
            "columns": {"patient_id": "patient", "pathology": "class", "pixel_mm": "pixel"},
        }
    )
    prepare({STANDING: place}, folder / "real", maps={STANDING: described})
    return folder / "real"


def _simulate(key: Record, reader: str, distance: float, seed: int) -> Record:
    """Return what the page would save for a reader who rates by a noisy impression.

    The impression of an image is normal with mean 0 for a real one, `distance` for a synthetic one,
    and variance 1; five equal steps between -1 and 1 + `distance` cut it into ratings.
    """
    rng = seeds.rng(seed, f"readers/example/{reader}")
    ends = np.linspace(-1, 1 + distance, len(RATINGS) - 1)
    answers = {}
    for place, (name, one) in enumerate(sorted(key["images"].items()), 1):
        impression = rng.normal(distance * (one["kind"] == "synthetic"))
        rating = int(np.searchsorted(ends, impression)) + 1
        ms = round(float(rng.lognormal(9, 0.4)))  # some 8 s
        answers[name] = {"rating": rating, "ms": ms, "place": place, "said": {}}
    head = {"format": ANSWERS, "study": key["study"], "reader": reader, "years": ""}
    return seal(head | {"answers": answers})
