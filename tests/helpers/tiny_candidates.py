"""A tiny candidates folder: 30 samples of 32x32, two of them retried, one normal, one given up."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.io import dumps, encode_png, sha256_array
from busgen.params.release import ReleaseParams
from busgen.priors.text.lexicon import to_text
from busgen.seeds import rng, sample_seed

LEARNED = {"adapter": None, "steps": None, "guidance": None}
SIZE, N, NORMAL, RETRIED, GIVEN_UP = 32, 30, 3, (5, 20), 29
ALONE = (4, 5, 20, 21, 28, 29)  # families of one, the others of two: N - 12 in all


PARAMS = ReleaseParams(title='A "tiny" set: é', splits={"train": 0.75, "test": 0.25})


def sample_id(k):
    return f"busgen-{k:06d}"


def family(k):
    return k if k in ALONE else k - k % 2


def _images(seed, lesion):
    generator = rng(seed, "test")
    image = generator.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    if lesion:
        top, left = generator.integers(2, 12, 2)
        mask[top : top + 8, left : left + 14] = 255
        mask[top + 1 : top + 3, left : left + 2] = 0
    return image, mask


def _finding(k):
    malignant, normal = k % 3 == 0, k == NORMAL
    lesion = {
        "shape": "irregular" if malignant else "oval",
        "orientation": "not_parallel" if k % 4 == 0 else "parallel",
        "margin": ["angular", "spiculated"] if malignant else ["circumscribed"],
        "echo_pattern": "hypoechoic",
        "posterior": "shadowing" if malignant else "none",
        "halo": malignant,
        "calcification": "none",
        "width_mm": 8.0 + k / 10,
        "height_mm": 12.0 if k % 4 == 0 else 6.0,
        "center_x": 0.5,
        "center_y": 0.3,
    }
    stated = {
        "pathology": "normal" if normal else "malignant" if malignant else "benign",
        "birads": "1" if normal else "4c" if malignant else "4a",
        "tissue": "heterogeneous",
        **(dict.fromkeys(lesion) if normal else lesion),
        "pixel_mm": 0.5,
        "scanner": "linear_10mhz",
    }
    ids = {"sample_id": sample_id(k), "family_id": sample_id(family(k))}
    return ids | stated | {"text": to_text(stated, rng(k, "text"))}


def _measures(lesion, accepted):
    row = {}
    for column in schema.columns("index"):
        if column.source in ("mask", "gate") and column.type == schema.REALS:
            low, high = column.range
            row[column.name] = min(high, low + 1.5) if lesion or not column.lesion else None
    row["mask_curvature"] = [1.0, 0.5, 0.25, 0.1, 0.05] if lesion else None
    return row | ({} if accepted else {"contrast": float("nan")})


def _row(k, attempt):
    accepted = k != GIVEN_UP and (k not in RETRIED or attempt == 1)
    seed = sample_seed(7, family(k), attempt)
    image, mask = _images(sample_seed(7, k, attempt), k != NORMAL)
    row = _finding(k) | _measures(k != NORMAL, accepted) | {"seed": seed, "attempt": attempt}
    row |= {
        "image_dhash": sample_seed(7, k, attempt) >> 3,
        "image_sha256": sha256_array(image),
        "accepted": accepted,
        "reason": None if accepted else "contrast",
        "flags": ["blurred"] if k == 7 else [],
        "duplicate_of": None,
        "mask_engine": "curvature",
        "mask_engine_sha256": "a" * 64,
        "engine": "phantom",
        "engine_sha256": "b" * 64,
        "prior_sha256": "c" * 64,
        "code_version": "0.1.0+test",
        "split": None,
    }
    return row, image, mask


def _shard(attempts):
    images = [
        {
            "sample_id": row["sample_id"],
            "attempt": row["attempt"],
            "image": {"bytes": encode_png(image), "path": f"images/{row['sample_id']}.png"},
            "mask": {"bytes": encode_png(mask), "path": f"masks/{row['sample_id']}.png"},
        }
        for row, image, mask in attempts
    ]
    fields = [("sample_id", pa.string()), ("attempt", pa.int64())]
    fields += [("image", schema.IMAGE), ("mask", schema.IMAGE)]
    return pa.Table.from_pylist(images, pa.schema(fields))


def write_candidates(folder: Path) -> Path:
    rounds = [[(k, 0) for k in range(N)], [(k, 1) for k in (*RETRIED, GIVEN_UP)]]
    (folder / "shards").mkdir(parents=True)
    rows = []
    for number, keys in enumerate(rounds):
        for shard in range(0, len(keys), 16):
            attempts = [_row(k, attempt) for k, attempt in keys[shard : shard + 16]]
            rows += [row for row, _, _ in attempts]
            name = f"round-{number:02d}-shard-{shard // 16:05d}.parquet"
            pq.write_table(_shard(attempts), folder / "shards" / name, row_group_size=7)
    pq.write_table(
        pa.Table.from_pylist(rows, schema.arrow_schema("index")), folder / "index.parquet"
    )
    plan = {
        "n": N - 12,
        "seed": 7,
        "size_px": SIZE,
        "engine": "phantom",
        "mask_engine": "curvature",
    }
    plan |= LEARNED | {"vary": None, "max_attempts": 2, "gates": {}, "sha256": "d" * 64}
    (folder / "plan.json").write_text(dumps(plan), encoding="utf-8")
    (folder / "unfilled.json").write_text(dumps({"unfilled": [sample_id(GIVEN_UP)]}))
    return folder
