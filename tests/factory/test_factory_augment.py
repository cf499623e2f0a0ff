"""Lesions drawn into patients' images: backgrounds stay, nothing is written where it is shared."""

import subprocess

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_sets import write_real

from busgen.errors import UserError
from busgen.factory.augment import augment, find_region
from busgen.images.diffusion.inpainting import FADE
from busgen.real.cohort import IMAGES, find_cohort, find_tables, read_rows
from busgen.real.crops import crop

N = 4


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return write_real(tmp_path_factory.mktemp("real") / "real")


@pytest.fixture(scope="module")
def made(real, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "augmented"
    assert augment(real, out, N, ("echo_pattern=anechoic",), seed=3) == N
    return out


def read(folder, row):
    return [
        cv2.imread(str(folder / row[k]), cv2.IMREAD_GRAYSCALE)
        for k in ("file_name", "mask_file_name")
    ]


def hosts_of(real):
    rows = read_rows(
        find_tables(real), find_cohort(real), splits=("train",), columns=(*IMAGES, "source_file")
    )
    return {row["sample_id"]: row for row in rows}


def test_the_background_is_the_hosts_and_the_lesion_is_new(real, made):
    hosts, table = hosts_of(real), pq.read_table(made / "metadata.parquet").to_pylist()
    assert len(table) == N
    for row in table:
        image, mask = read(made, row)
        host = hosts[row["host"]]
        assert (row["patient"], row["split"]) == (host["cluster_id"], "train")
        assert host["pathology"] in (row["pathology"], "normal")
        assert row["echo_pattern"] == "anechoic"
        before, own, _ = crop(host)
        region = find_region((mask > 0).astype(np.uint8), own)
        share = cv2.GaussianBlur(region.astype(np.float32), (0, 0), FADE * len(region))
        assert np.array_equal(image[share == 0], before[share == 0])
        assert set(np.unique(mask)) == {0, 255}
        inside = mask > 0
        assert np.abs(image[inside].astype(int) - before[inside]).mean() > 5
        assert image[inside].mean() < image[(region > 0) & ~inside].mean()  # anechoic is dark


def test_the_same_seed_gives_the_same_bytes(real, made, tmp_path):
    again = tmp_path / "again"
    augment(real, again, N, ("echo_pattern=anechoic",), seed=3)
    for path in sorted(made.glob("*/*.png")):
        assert (again / path.relative_to(made)).read_bytes() == path.read_bytes()


def test_every_file_says_that_it_is_a_patients(made):
    assert "no release" in (made / "README.md").read_text("utf-8")
    assert (made / ".gitignore").read_text("utf-8") == "*\n"
    for path in made.glob("*/*.png"):
        assert (
            b"a patient's image with a lesion drawn into it: not to be shared" in path.read_bytes()
        )


def test_it_is_refused_where_git_or_dvc_would_share_it(real, tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(UserError, match="git does not track"):
        augment(real, tmp_path / "here", 1)
    (tmp_path / ".gitignore").write_text("shared/\n")
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x, outs: [shared]}}\n")
    with pytest.raises(UserError, match="an output that DVC shares"):
        augment(real, tmp_path / "shared" / "set", 1)
    (tmp_path / "dvc.yaml").unlink()
    (tmp_path / "shared.dvc").write_text("outs: [{md5: x.dir, path: shared}]\n")
    with pytest.raises(UserError, match="an output that DVC shares"):
        augment(real, tmp_path / "shared" / "set", 1)
    assert not (tmp_path / "here").exists()
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize(("n", "settings", "split", "rule"), [
    (0, (), "train", "n must be at least 1"),
    (1, (), "attic", "must hold images of known class"),
    (1, ("pathology=normal",), "train", "class that has hosts: benign, malignant"),
    (1, ("pathology=mild",), "train", "pathology"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(real, tmp_path, n, settings, split, rule):
    with pytest.raises(UserError, match=rule):
        augment(real, tmp_path / "out", n, settings, split=split)
    assert not (tmp_path / "out").exists()
