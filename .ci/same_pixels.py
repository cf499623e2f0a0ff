"""Do two commits draw the same pixels? `python .ci/same_pixels.py OLD NEW`, in a checkout.

Each commit is checked out beside the other and generates, by its own code and weights, the default
release and 40 samples of the engines `phantom` and `curvature`. Hashes of images and masks are
compared sample by sample. The interpreter must have what both commits depend on.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

RUNS = {
    "default": ["--n", "600", "--seed", "7"],
    "phantom": ["--n", "40", "--seed", "7", "--engine", "phantom", "--mask-engine", "curvature"],
}
COLUMNS = ["sample_id", "image_sha256", "mask_sha256"]
BUSGEN = "from busgen.cli import main; main()"


def hashes(commit: str, folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the hashes of every accepted sample that `commit` generates, by run."""
    tree = folder / "tree"
    subprocess.run(["git", "worktree", "add", "--detach", "--force", tree, commit], check=True)
    try:
        return {name: generated(tree, options, folder / name) for name, options in RUNS.items()}
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)


def generated(tree: Path, options: list[str], out: Path) -> list[dict[str, str]]:
    """Return the hashes of one run of `tree`."""
    command = [sys.executable, "-c", BUSGEN, "generate", *options, "--out", str(out)]
    subprocess.run(command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True)
    table = pq.read_table(out / "index.parquet", columns=[*COLUMNS, "accepted"])
    rows = table.filter(table["accepted"]).select(COLUMNS).to_pylist()
    return sorted(rows, key=lambda row: row["sample_id"])


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
