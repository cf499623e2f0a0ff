"""Text: what is written can be read back; what cannot be understood is named."""

import pytest

from busgen.errors import FindingError
from busgen.priors.network import MARGIN_SETS
from busgen.priors.parse import from_text
from busgen.priors.words import NORMAL, PHRASINGS


def _read(text):
    return {c.field: c for c in from_text(text)}


def test_text_of_thousands_of_findings_is_read_back(findings):
    seen = set()
    for f in findings[:2500]:
        said = _read(f.text)
        names = ["pathology", "birads", "tissue"]
        if f.has_lesion:
            names += ["shape", "orientation", "echo_pattern", "posterior", "calcification"]
            assert said["margin"].terms == ("+".join(f.margin),)
            assert said["halo"].terms == (("no", "yes")[f.halo],)
            assert said["width_mm"].low == pytest.approx(f.width_mm, abs=0.0501)
            assert said["height_mm"].low == pytest.approx(f.height_mm, abs=0.0501)
            assert (said["height_mm"].low > said["width_mm"].low) == (f.orientation[0] == "n")
            seen.add(f.margin)
        assert {n: said[n].terms for n in names} == {n: (getattr(f, n),) for n in names}
        assert set(said) == {*names, *(["margin", "halo", "width_mm", "height_mm"] * f.has_lesion)}
    assert len(seen) >= len(MARGIN_SETS) - 2


def test_all_phrasings_are_used(findings):
    starts = [f.text for f in findings[:500]]
    assert any(t.startswith("Shape: ") for t in starts)
    assert any(" mass of " in t for t in starts)
    assert any(t.startswith(("benign, BI", "malignant, BI")) for t in starts)
    assert any("measuring" in t for t in starts)
    assert len(PHRASINGS) == 4
    assert len(NORMAL) == 2


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (
            "irregular hypoechoic mass with spiculated margins and posterior shadowing, 14 mm",
            "shape=irregular; echo_pattern=hypoechoic; pathology=benign|malignant; "
            "posterior=shadowing; margin=spiculated; size_mm=14",
        ),
        (
            "oval, parallel, circumscribed anechoic cyst with posterior enhancement, 1.2 cm",
            "shape=oval; orientation=parallel; echo_pattern=anechoic; posterior=enhancement; "
            "margin=circumscribed; size_mm=12",
        ),
        ("No microcalcifications.", "calcification=none"),
        ("WITHOUT HALO", "halo=no"),
        ("taller-than-wide", "orientation=not_parallel"),
        ("not parallel", "orientation=not_parallel"),
        ("BI-RADS 4c", "birads=4c"),
        ("BIRADS category 4", "birads=4a|4b|4c"),
        ("normal breast tissue", "pathology=normal"),
        ("no mass", "pathology=normal"),
        ("1.4 × 0.9 cm", "width_mm=14; height_mm=9"),
        ("14x9mm", "width_mm=14; height_mm=9"),
        ("14 mm wide", "width_mm=14"),
        ("between 8 and 20 mm", "size_mm=8..20"),
        ("8-20 mm", "size_mm=8..20"),
        ("well-defined", "margin=circumscribed"),
        ("ill-defined, angulated", "margin=indistinct+angular"),
        ("not circumscribed", "margin excludes circumscribed"),
        (
            "no halo, shadowing or calcifications",
            "halo=no; posterior=none|enhancement; calcification=none",
        ),
        ("no enhancement or shadowing", "posterior=none"),
        ("oval or round", "shape=oval|round"),
        ("hyperechoic halo", "halo=yes"),
        ("calcifications in the mass", "calcification=in_a_mass"),
        (
            "solid nodules",
            "echo_pattern=hyperechoic|hypoechoic|isoechoic|heterogeneous; "
            "pathology=benign|malignant",
        ),
        ("complex cystic and solid", "echo_pattern=complex_cystic_solid"),
    ],
)
def test_what_radiologists_write_is_understood(text, want):
    assert "; ".join(map(str, from_text(text))) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lobulated fluffy mass", "got lobulated, fluffy: lobulated: say oval"),
        ("hypoecoic mass", "did you mean hypoechoic"),
        ("irregular margins", "got irregular margins"),
        ("circumscribed, spiculated", r"itself on margin, got \['circumscribed', 'spiculated'\]"),
        ("spiculated, not spiculated", "itself on margin"),
        ("oval irregular mass", r"itself on shape, got \['oval', 'irregular'\]"),
        ("benign malignant", "itself on pathology"),
        ("normal breast with a mass", "itself on pathology"),
        ("14 mm mass, 12 mm", "itself on size"),
        ("14 x 9 x 8 mm", "must be width x height"),
        ("0 mm", "must be > 0"),
        ("no halo and shadowing", "the reach of a denial must be clear"),
        ("oval or hypoechoic", "or must join terms of one field"),
        ("an image of the breast", "must describe a finding"),
        ("BI-RADS 0", "BI-RADS is 1"),
        ("ünïcode Größe mass", "ünïcode, größe"),
        ("mass 14", "got 14"),
    ],
)
def test_what_cannot_be_understood_is_named(text, message):
    with pytest.raises(FindingError, match=message):
        from_text(text)
