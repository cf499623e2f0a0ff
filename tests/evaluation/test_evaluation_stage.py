"""The quality stage: limits are judged by what was measured; a refused release has no scores."""

import pytest

from busgen.errors import UserError
from busgen.evaluation.stage import measure, write_scores
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.folders.manifests import MANIFEST
from busgen.io import read_json
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.params.quality import DEFAULT_LIMITS, Limit, QualityParams
from busgen.params.release import ReleaseParams
from busgen.release.write import write_release

WRITTEN = {MANIFEST, "scores.json", "metrics.json", "marginals.csv", "acceptance.csv"}
STRICT = {"ks_texture.pooled": Limit(max=0.01, action="refuse")}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Return a release of 24 lesions at 64 px."""
    root = tmp_path_factory.mktemp("made é")
    params = GenerateParams(
        engine="phantom",
        mask_engine="curvature",
        n=24,
        size_px=64,
        gates={name: Gate(action="off") for name in GenerateParams().gates},
    )
    run(resolve(params), root / "candidates", run_shards)
    write_release(root / "candidates", root / "release", ReleaseParams())
    return root / "release"


def test_without_real_images_their_limits_are_not_measured(release, tmp_path):
    (tmp_path / "refused").mkdir()
    write_scores(release, tmp_path / "q é", QualityParams(), tmp_path / "refused")
    assert {path.name for path in (tmp_path / "q é").iterdir()} == WRITTEN
    assert not (tmp_path / "refused").exists()
    rows = {row["name"]: row for row in read_json(tmp_path / "q é/scores.json")["limits"]["rows"]}
    assert set(rows) == set(DEFAULT_LIMITS)
    for name, row in rows.items():
        known = {"near_duplicates", "kid_us64", "frechet_us64", "kid_lite1", "coverage_us64"}
        measured = name in known or (name.startswith("ks_") and name != "ks_judges.pooled")
        assert (row["verdict"] != "not measured") == measured, name
        assert measured or row["reason"], name
    assert "quality.real" in rows["copies"]["reason"]
    assert rows["kid_us64"]["verdict"] == rows["kid_lite1"]["verdict"] == "fails"  # a phantom's
    alone = rows["near_duplicates"]
    assert (alone["verdict"], alone["value"], alone["n"]) == ("passes", 0.0, 24)
    texture = rows["ks_texture.pooled"]
    assert (texture["verdict"], texture["n"], texture["high"]) == ("fails", 24, 0.3)
    metrics = read_json(tmp_path / "q é/metrics.json")
    assert metrics["verdict"] == "failing"
    assert metrics["limits"]["copies"] == "not measured"
    assert metrics["scores"]["ks_texture.pooled"] == texture["value"]


def test_a_refused_release_leaves_its_evidence_and_no_scores(release, tmp_path):
    folder, refused = tmp_path / "quality", tmp_path / "refused"
    with pytest.raises(UserError, match=r"ks_texture\.pooled 0\.\d+ \(<= 0\.01\).*scores\.json"):
        write_scores(release, folder, QualityParams(limits=STRICT), refused)
    assert not folder.exists()
    assert {path.name for path in refused.iterdir()} == WRITTEN
    assert read_json(refused / "scores.json")["limits"]["refused"]
    write_scores(release, folder, QualityParams(), refused)
    assert folder.exists()
    assert not refused.exists()


def test_beside_real_images_and_earlier_releases_all_limits_are_measured(release, real):
    limits = {"repeats": Limit(max=0.0), "privacy_ratio_masks": Limit(min=0.5)}
    result = measure(release, QualityParams(real=real, previous=(release,), limits=limits))
    rows = {row["name"]: row for row in result["limits"]["rows"]}
    unknown = {name for name, row in rows.items() if row["verdict"] == "not measured"}
    assert unknown == {"ks_judges.pooled", "fid"}
    assert rows["fid"]["reason"] == "needs a feature extractor (quality.extractor)"
    assert rows["repeats"]["value"] == 1.0
    assert rows["repeats"]["verdict"] == "fails"
    assert result["repeats"]["earlier"][0]["identical"] == 24
    assert rows["kid_us64"]["verdict"] == "fails"  # phantoms are not that speckle
    kid = result["beside_real"]["scores"]["kid_us64"]
    assert rows["kid_us64"]["high"] == pytest.approx(2 * kid["floor_limit"])
    assert rows["copies"]["value"] == 0.0
    assert {"value", "n", "interval", "floor"} <= set(rows["privacy_same_patient_us64"])
