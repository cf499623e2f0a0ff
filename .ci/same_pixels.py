"""Do two commits draw the same pixels? `python .ci/same_pixels.py OLD NEW`, in a checkout.

Each commit is checked out beside the other and generates, by its own code and weights, the default
release and 40 samples of the engines `phantom` and `curvature`. Hashes of images and masks are
compared sample by sample. The interpreter must have what both commits depend on.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow.dataset as ds

RUNS = {
    "default": ["--n", "600", "--seed", "7"],
    "phantom": ["--n", "40", "--seed", "7", "--engine", "phantom", "--mask-engine", "curvature"],
}
BUSGEN = "from busgen.cli import main; main()"


def hashes(commit: str, folder: Path) -> dict[str, dict[str, str]]:
    """Return the hashes of every accepted sample that `commit` generates, by run."""
    tree = folder / "tree"
    subprocess.run(["git", "worktree", "add", "--detach", "--force", tree, commit], check=True)
    try:
        for name, options in RUNS.items():
            command = [sys.executable, "-c", BUSGEN, "generate", *options, "--out", folder / name]
            place = os.environ | {"PYTHONPATH": str(tree)}
            subprocess.run(list(map(str, command)), cwd=tree, env=place, check=True)
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
    return {name: pixels(folder / name) for name in RUNS}


def pixels(release: Path) -> dict[str, str]:
    """Return the SHA-256 of each sample's decoded image and mask."""
    rows = ds.dataset(release / "data").to_table(columns=["sample_id", "image", "mask"])
    return {
        row["sample_id"]: decoded(row["image"]) + decoded(row["mask"]) for row in rows.to_pylist()
    }


def decoded(cell: dict[str, bytes]) -> str:
    """Return the SHA-256 of the pixels of a PNG."""
    image = cv2.imdecode(np.frombuffer(cell["bytes"], np.uint8), cv2.IMREAD_UNCHANGED)
    return hashlib.sha256(image.tobytes()).hexdigest()


def main() -> int:
    """Print what is equal; 1 if anything is not."""
    with tempfile.TemporaryDirectory() as scratch:
        old, new = (hashes(commit, Path(scratch) / str(k)) for k, commit in enumerate(sys.argv[1:]))
    for name in RUNS:
        same = old[name] == new[name]
        sys.stdout.write(f"{name}: {len(old[name])}, {len(new[name])} samples, equal: {same}\n")
    return int(old != new)


if __name__ == "__main__":
    raise SystemExit(main())
