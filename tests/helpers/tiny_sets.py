"""Tiny real and synthetic sets: dark ellipses in noise, the tall ones malignant."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.downstream.data.real_images import Cases, ImageSet
from busgen.downstream.learner import Recipe
from busgen.io import dumps, encode_png, sha256_bytes
from busgen.real.cohort import FILE, assign_split, find_tables, make_cohort
from busgen.real.crops import Crops
from busgen.similarity.registration import make_thumbnail

RECIPES = dict.fromkeys(("classification", "segmentation"), Recipe(4, 4, looks=2))


def pair(seed: int, malignant: bool, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return speckle with a dark ellipse, and its mask {0, 1}."""
    rng = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(rng.standard_normal((side, side)), (0, 0), side / 16)
    image = 150 + 25 * coarse / coarse.std() + rng.normal(0, 12, (side, side))
    at = rng.uniform(0.35 * side, 0.65 * side, 2)
    tall, wide = (0.22, 0.11) if malignant else (0.11, 0.22)
    rows, cols = np.mgrid[:side, :side]
    mask = ((rows - at[0]) / (tall * side)) ** 2 + ((cols - at[1]) / (wide * side)) ** 2 <= 1
    return np.clip(image - 90 * mask, 6, 255).astype(np.uint8), mask.astype(np.uint8)


def crops(n: int, seed: int = 0, side: int = 64) -> Crops:
    """Return crops of n patients, every other malignant, of two scanners."""
    pairs = [pair(1000 * seed + k, k % 2 == 1, side) for k in range(n)]
    images, masks = (np.stack(stack) for stack in zip(*pairs, strict=True))
    labels = np.array(["benign", "malignant"])[np.arange(n) % 2]
    scanners = np.array(["a", "b"])[np.arange(n) // 2 % 2]
    groups = np.array([f"p{seed}-{k}" for k in range(n)])
    return Crops(images, masks, 0 * masks, np.full(n, "busi"), scanners, labels, groups)


def cases(n: int, seed: int = 0, pixel_mm: float = 0.5) -> Cases:
    """Return the same with names and the size of a pixel."""
    return Cases(crops(n, seed), np.array([f"{seed}-{k}" for k in range(n)]), np.full(n, pixel_mm))


def make_image_set(own: Cases) -> ImageSet:
    """Return cases as images that are not read yet; each one's hash is its name's."""
    names = np.array([sha256_bytes(name.encode()) for name in own.ids])
    lesions = own.crops.masks.any(axis=(1, 2))
    return ImageSet(
        names, own.crops.labels, own.crops.groups, lesions, np.arange(len(own)), own.pick
    )


def patients(dataset: str, split: str, count: int) -> list[str]:
    """Return names of patients whom the split takes."""
    names = (f"{dataset}-p{number}" for number in range(10_000))
    return [name for name in names if assign_split(name) == split][:count]


def write_real(folder: Path, datasets: tuple[str, ...] = ("bus_bra", "busi")) -> Path:
    """Write a folder of real data that no patient gave: 6 training, 4 other patients of each."""
    for place, name in enumerate(datasets):
        rows = []
        for split, count in (("train", 6), ("validation", 4), ("test", 4)):
            rows += [
                _row(name, patient, 100 * place + len(rows) + k, k % 2 == 1)
                for k, patient in enumerate(patients(name, split, count))
            ]
        table = pa.Table.from_pylist(rows, schema=schema.arrow_schema("real"))
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "table.parquet", row_group_size=8)
        (folder / name / "info.json").write_text(dumps({"name": name}), encoding="utf-8")
    (folder / "cohort").mkdir()
    pq.write_table(make_cohort(find_tables(folder)), folder / "cohort" / FILE)
    return folder


def write_made(folder: Path, n: int = 8, seed: int = 50) -> Path:
    """Write a synthetic set that this project did not make: images, masks, a CSV file."""
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "label"])
        for k in range(n):
            image, mask = pair(1000 * seed + k, k % 2 == 1)
            (folder / f"{k}.png").write_bytes(encode_png(image))
            (folder / f"{k}_mask.png").write_bytes(encode_png(255 * mask))
            table.writerow([f"{k}.png", ("Benign", "Malignant")[k % 2]])
    return folder


def _row(dataset: str, patient: str, seed: int, malignant: bool) -> dict[str, object]:
    image, mask = pair(seed, malignant, 96)
    blank = dict.fromkeys(field.name for field in schema.arrow_schema("real"))
    return blank | {
        "sample_id": f"{dataset}-{patient}",
        "dataset": dataset,
        "source_file": f"{patient}.png",
        "patient_id": patient,
        "pathology": "malignant" if malignant else "benign",
        "pixel_mm": 0.2 if dataset == "bus_bra" else None,
        "image": {"bytes": encode_png(image), "path": "x.png"},
        "mask": {"bytes": encode_png(255 * mask), "path": "y.png"},
        "signature": make_thumbnail(image),
        "flags": [],
        "notes": [],
    }
