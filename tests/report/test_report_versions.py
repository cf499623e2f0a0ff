"""A version beside the last: nothing changed, or changed by more than noise."""

import json
import shutil

import pytest

from busgen.errors import UserError
from busgen.report.evidence import Sources, find_previous, gather
from busgen.report.sections import previous as sections_previous
from busgen.report.sections.previous import BETTER, SAME, WORSE, make_section


def beside(chain, tmp_path, quality=None):
    given, previous = chain.sources, tmp_path / "previous"
    previous.mkdir()
    (previous / "release").symlink_to(given.release)
    (previous / "quality").symlink_to(quality or given.quality)
    return gather(Sources(given.release, None, given.quality, given.reference, previous=previous))


def test_no_previous_version_says_so(chain, evidence):
    assert make_section(evidence) is None
    assert "No previous version was given" in chain.html


def test_the_same_release_shows_no_difference(chain, evidence, tmp_path):
    found = make_section(beside(chain, tmp_path))
    assert {one.verdict for one in found.changes} == {SAME}
    assert found.identical == evidence.accepted_rows["sample_id"].nunique()
    assert found.shifts == ()
    assert found.provenance == ()
    assert found.same_reference


def test_scores_that_fell_beyond_noise_are_better(chain, tmp_path):
    scores = json.loads((chain.sources.quality / "scores.json").read_text())
    name = next(name for name in scores["headline"] if name.startswith("ks_grey"))
    record = scores["headline"][name]
    record["value"] += 0.5
    record["interval"] = [end + 0.5 for end in record["interval"]]
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    found = make_section(beside(chain, tmp_path, tmp_path))
    assert [one.verdict for one in found.changes].count(BETTER) == 1


@pytest.mark.parametrize(("now", "verdict"), [(0.2, BETTER), (0.45, SAME), (0.8, WORSE)])
def test_noise_is_that_of_both_intervals(now, verdict):
    before, after = ({"value": v, "interval": [v - 0.1, v + 0.1]} for v in (0.5, now))
    assert sections_previous._judge(before, after) == verdict


def test_a_folder_without_quality_is_refused(chain, tmp_path):
    shutil.copytree(chain.sources.release, tmp_path / "release")
    with pytest.raises(UserError, match="with release/ and quality/"):
        find_previous(tmp_path)
    assert find_previous(None) is None
