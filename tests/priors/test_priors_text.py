"""Text: what is written can be read back; what cannot be understood is named."""

import pytest

from busgen.errors import FindingError
from busgen.priors.network import MARGIN_SETS
from busgen.priors.request import left_out
from busgen.priors.text.lexicon import NORMAL, PHRASINGS
from busgen.priors.text.parse import read_text

MARKED = "shape=irregular; echo_pattern=hypoechoic; margin=spiculated"


def _read(text):
    return {c.field: c for c in read_text(text).conditions}


def test_text_of_thousands_of_findings_is_read_back(findings):
    seen = set()
    for f in findings[:2500]:
        phrases = _read(f.text)
        names = ["pathology", "birads", "tissue"]
        if f.has_lesion:
            names += ["shape", "orientation", "echo_pattern", "posterior", "calcification"]
            assert phrases["margin"].terms == ("+".join(f.margin),)
            assert phrases["halo"].terms == (("no", "yes")[f.halo],)
            assert phrases["width_mm"].low == pytest.approx(f.width_mm, abs=0.0501)
            assert phrases["height_mm"].low == pytest.approx(f.height_mm, abs=0.0501)
            assert (phrases["height_mm"].low > phrases["width_mm"].low) == (f.orientation[0] == "n")
            seen.add(f.margin)
        assert {n: phrases[n].terms for n in names} == {n: (getattr(f, n),) for n in names}
        assert set(phrases) == {
            *names,
            *(["margin", "halo", "width_mm", "height_mm"] * f.has_lesion),
        }
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
        ("calcifications are not seen", "calcification=none"),
        ("No evidence of calcifications.", "calcification=none"),
        ("posterior shadowing not present", "posterior=none|enhancement"),
        ("spiculations are not clearly seen", "margin excludes spiculated"),
        ("Shadowing is absent; halo: no", "posterior=none|enhancement; halo=no"),
        (
            "oval mass, halo not visualised, calcifications seen",
            "shape=oval; pathology=benign|malignant; halo=no; "
            "calcification=in_a_mass|outside_a_mass|intraductal",
        ),
        (
            "mass with no calcifications, oval or round",
            "pathology=benign|malignant; calcification=none; shape=oval|round",
        ),
        (
            "no halo, hypoechoic or isoechoic mass",
            "halo=no; echo_pattern=hypoechoic|isoechoic; pathology=benign|malignant",
        ),
        (
            "no halo, shadowing, or calcifications, oval or round",
            "halo=no; posterior=none|enhancement; calcification=none; shape=oval|round",
        ),
        (
            "no spiculated, angular or indistinct margins",
            "margin excludes spiculated; margin excludes angular; margin excludes indistinct",
        ),
        ("3,5 cm", "size_mm=35"),
        (".5 cm", "size_mm=5"),
        ("3,5 x 2,1 centimetres", "width_mm=35; height_mm=21"),
        ("1.4 cm (14 mm)", "size_mm=14"),
        ("1.4 cm x 9 millimeters", "width_mm=14; height_mm=9"),
        ("8 mm - 20 mm", "size_mm=8..20"),
        ("oval - 14 mm", "shape=oval; size_mm=14"),
        ("probably benign, approximately 14 mm", "pathology=benign; size_mm=14"),
        ("irregular margins", "margin excludes circumscribed"),
        ("partially circumscribed, partially indistinct", "margin=indistinct"),
        ("borders not well defined", "margin=indistinct"),
        ("Irreg. hypoech. w/ spic. margins", MARKED),
        ("spic. Post. shad.", "posterior=shadowing; margin=spiculated"),
        ("heterogeneously hypoechoic", "echo_pattern=hypoechoic|heterogeneous"),
        ("homogeneous, hypoechoic", "echo_pattern=hypoechoic"),
        ("oval to round", "shape=oval|round"),
        ("isoechoic to fat", "echo_pattern=isoechoic"),
        ("partly cystic", "echo_pattern=complex_cystic_solid"),
        ("no mass, cyst or area of shadowing", "pathology=normal"),
        ("no solid or cystic mass", "pathology=normal"),
        ("shadowing and enhancement", "posterior=combined"),
        ("posterior shadowing without enhancement", "posterior=shadowing"),
        ("unchanged sound transmission", "posterior=none"),
        ("increased through-transmission", "posterior=enhancement"),
        ("bright band behind", "posterior=enhancement"),
        ("(-) calcs, (+) echogenic rind", "calcification=none; halo=yes"),
        ("echogenic foci in it", "calcification=in_a_mass"),
        ("BI-RADS IV; BR 4b", "birads=4b"),
        ("12 mm transverse by 9 mm AP", "width_mm=12; height_mm=9"),
        ("9 mm AP x 12 mm wide", "height_mm=9; width_mm=12"),
        ("0.9 cm, height 6 mm", "size_mm=9; height_mm=6"),
        (
            "suspicious mass within the breast, mild shadowing, up to 14 mm",
            "pathology=benign|malignant; posterior=shadowing; size_mm=14",
        ),
    ],
)
def test_what_radiologists_write_is_understood(text, want):
    assert "; ".join(map(str, read_text(text).conditions)) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lobulated fluffy mass", "got lobulated, fluffy: lobulated: say oval"),
        ("hypoecoic mass", "did you mean hypoechoic"),
        ("lobulated margins", "got lobulated: lobulated: say oval"),
        ("circumscribed, spiculated", r"itself on margin, got \['circumscribed', 'spiculated'\]"),
        ("spiculated, not spiculated", "itself on margin"),
        ("oval irregular mass", r"itself on shape, got \['oval', 'irregular'\]"),
        ("benign malignant", "itself on pathology"),
        ("normal breast with a mass", "itself on pathology"),
        ("14 mm mass, 12 mm", "itself on size"),
        ("14 mm, 13 mm wide, 9 mm tall", "itself on size"),
        ("12 mm wide x 9 mm wide", "must be width x height"),
        ("hypoechoic halo", "got hypoechoic halo"),
        ("history of carcinoma", "got history"),
        ("no shadowing and enhancement", "the reach of a denial must be clear"),
        ("14 x 9 x 8 mm", "must be width x height"),
        ("0 mm", "must be > 0"),
        ("no halo and shadowing", "the reach of a denial must be clear"),
        ("oval or hypoechoic", "or must join terms of one field"),
        ("an image of the breast", "must describe a finding"),
        ("BI-RADS 0", "BI-RADS is 1"),
        ("ünïcode Größe mass", "ünïcode, größe"),
        ("mass 14", "got 14: 14: a number needs its unit"),
        ("halo and shadowing are not seen", "reach of a denial must be clear, got shadowing not"),
        ("no halo not seen", "reach of a denial must be clear, got no halo not seen"),
        ("oval, not seen", "reach of a denial must be clear, got not seen"),
        ("mass without", "reach of a denial must be clear, got without"),
        ("no, halo", "reach of a denial must be clear, got no"),
        ("halo not", "reach of a denial must be clear, got not"),
        ("no halo or hypoechoic mass", "got no halo or hypoechoic"),
        ("halo absent or calcifications", "the reach of a denial must be clear"),
        ("oval mass at 15 mm depth", "got depth: depth: .* --set center_y"),
        ("mass 12 mm deep", "got deep: .* 9 mm tall; .* --set center_y"),
        ("mass 12 mm from the skin", "got from the skin: .* --set center_y"),
        ("-5 mm mass", "got minus: minus: a size must be > 0"),
        ("mass of −.5 cm", "got minus"),
        ("BI-RADS 4.14 mm", "got bi, rads"),
        ("1,400 mm", "a number needs its unit"),
        ("14 mm x 9 mm x 11 mm", "give two numbers, as 14 x 9 mm"),
        ("1.4 cm (15 mm)", "itself on size"),
        ("intraductal", "intraductal: say intraductal calcifications"),
        ("combined", "combined: a word of the lexicon that must stand in a whole term"),
        ("node", "got node: use the terms"),
        ("oval " * 400 + "mass", "must have at most 2000 characters, got 2004"),
        ("o" * 10_000, "must have at most 2000 characters, got 10000"),
    ],
)
def test_what_cannot_be_understood_is_named(text, message):
    with pytest.raises(FindingError, match=message):
        read_text(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("oval mass at 3 o'clock, 12 mm from the nipple", ("3 o ' clock", "12 mm from the nipple")),
        ("UOQ rt breast, 4 cm FN: oval mass", ("uoq", "right breast", "4 cm fn")),
        ("2:00 oval mass", ("2 o ' clock",)),
        ("no palpable mass", ("palpable",)),
        ("oval mass, no vascularity on Doppler", ("no vascularity on doppler",)),
        ("no vascularity, skin thickening or halo", ("no vascularity", "no skin thickening")),
        ("round cyst, edge shadowing", ("edge shadowing",)),
        ("47-year-old woman: oval mass", ("47 year old woman",)),
        ("oval mass, stable since 2021", ("stable since 2021",)),
        ("oval mass", ()),
    ],
)
def test_what_no_finding_holds_is_left_out_and_named(text, named):
    understood = read_text(text)
    assert understood.left_out == named
    fields = {condition.field for condition in understood.conditions}
    assert fields <= {"pathology", "shape", "echo_pattern", "halo"}


def test_a_remark_names_what_is_left_out():
    assert left_out("oval mass, 3 o'clock") == (
        "no finding holds this part of the text, it is left out: 3 o'clock"
    )
    assert left_out("oval mass") == left_out(None) == ""
