"""Words that a text may use: phrases of the BI-RADS lexicon and their common synonyms.

A phrase is a regular expression over lower-case words (hyphens are spaces), the field it speaks of
and the terms it leaves possible; the longest phrase wins. No terms: known to be ambiguous.
"""

from busgen import schema

TERMS: dict[str, tuple[str, ...]] = {
    "pathology": schema.PATHOLOGIES,
    "birads": schema.BIRADS,
    "tissue": schema.TISSUES,
    "shape": schema.SHAPES,
    "orientation": schema.ORIENTATIONS,
    "margin": schema.MARGINS,
    "echo_pattern": schema.ECHO_PATTERNS,
    "posterior": schema.POSTERIORS,
    "halo": ("no", "yes"),
    "calcification": schema.CALCIFICATIONS,
    "scanner": schema.SCANNERS,
}
_ANY_POSTERIOR = ("enhancement", "shadowing", "combined")
_ANY_CALCIFICATION = ("in_a_mass", "outside_a_mass", "intraductal")
_SOLID = ("hyperechoic", "hypoechoic", "isoechoic", "heterogeneous")

_MASS = r"(?:mass(?:es)?|lesions?|tumou?rs?|nodules?)"
_EDGE = r"(?:margins?|margined|borders?|edges?|outlines?|contours?)"
_CALC = r"(?:micro ?)?calcifications?"
_HALO = r"(?:echogenic |hyperechoic )?(?:halo|rim)"
_BEHIND = r"(?:posterior |distal )?(?:acoustic )?"
_FEATURES = r"posterior (?:acoustic )?(?:features?|phenomen(?:a|on)|patterns?|effects?)"
_FROM = r"(?:away )?(?:from|below|under|beneath|deep to)"
_BREAST = r"(?: (?:breast|background|tissue|parenchyma|echotexture|composition))"
_OF_TISSUE = r"(?:(?:breast |background )?tissue composition|background(?: echotexture| tissue)?)"
_SEEN = "seen|present|noted|identified|visuali[sz]ed|visible|evident|detected|demonstrated|found"
PRESENT = rf"(?:(?:been|clearly|definitely) )?(?:{_SEEN})"  # after "not": a denial that follows

PHRASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"benign", "pathology", ("benign",)),
    (r"malignan(?:t|cy)|cancer(?:ous)?|carcinoma", "pathology", ("malignant",)),
    (rf"normal{_BREAST}*", "pathology", ("normal",)),
    (_MASS, "pathology", ("benign", "malignant")),
    *((rf"bi ?rads (?:category )?{n}", "birads", (n,)) for n in ("1", "2", "3", "5")),
    *((rf"bi ?rads (?:category )?4 ?{n}", "birads", (f"4{n}",)) for n in "abc"),
    (r"bi ?rads (?:category )?4", "birads", ("4a", "4b", "4c")),
    (rf"homogeneous fat(?:ty)?{_BREAST}*", "tissue", ("homogeneous_fat",)),
    (rf"{_OF_TISSUE} homogeneous fat(?:ty)?{_BREAST}*", "tissue", ("homogeneous_fat",)),
    (rf"fatty{_BREAST}+", "tissue", ("homogeneous_fat",)),
    (rf"homogeneous fibroglandular{_BREAST}*", "tissue", ("homogeneous_fibroglandular",)),
    (
        rf"{_OF_TISSUE} homogeneous fibroglandular{_BREAST}*",
        "tissue",
        ("homogeneous_fibroglandular",),
    ),
    (rf"heterogeneous(?: breast| background| tissue){_BREAST}*", "tissue", ("heterogeneous",)),
    (rf"{_OF_TISSUE} heterogeneous{_BREAST}*", "tissue", ("heterogeneous",)),
    (r"oval|ovoid|ellip(?:tical|soid|soidal)", "shape", ("oval",)),
    (r"round(?:ed)?", "shape", ("round",)),
    (r"irregular(?:ly shaped)?", "shape", ("irregular",)),
    (rf"irregular {_EDGE}", "margin", ()),
    (r"parallel|wider than tall|horizontal(?:ly)?", "orientation", ("parallel",)),
    (
        r"(?:non|anti) ?parallel|taller than wide|vertical(?:ly)?",
        "orientation",
        ("not_parallel",),
    ),
    (
        r"(?:well )?circumscribed|(?:well|sharply) (?:defined|demarcated)",
        "margin",
        ("circumscribed",),
    ),
    (r"indistinct|(?:ill|poorly) defined|blurred", "margin", ("indistinct",)),
    (r"angular|angulated", "margin", ("angular",)),
    (r"micro ?lobulat(?:ed|ions?)", "margin", ("microlobulated",)),
    (r"spiculat(?:ed|ions?)|spicules", "margin", ("spiculated",)),
    (r"anechoic|(?:simple )?cyst(?:ic|s)?", "echo_pattern", ("anechoic",)),
    (r"hyper ?echoic", "echo_pattern", ("hyperechoic",)),
    (
        r"(?:complex |mixed )?(?:cystic (?:and )?solid|solid (?:and )?cystic)",
        "echo_pattern",
        ("complex_cystic_solid",),
    ),
    (r"solid", "echo_pattern", _SOLID),
    (r"hypo ?echoic", "echo_pattern", ("hypoechoic",)),
    (r"iso ?echoic", "echo_pattern", ("isoechoic",)),
    (
        r"heterogeneous(?:ly)?(?: echo ?(?:texture|genicity|genic|pattern))?",
        "echo_pattern",
        ("heterogeneous",),
    ),
    (rf"{_BEHIND}shadow(?:ing|s)?", "posterior", ("shadowing",)),
    (rf"{_BEHIND}enhancement", "posterior", ("enhancement",)),
    (rf"(?:combined|mixed) {_FEATURES}|{_FEATURES} combined", "posterior", ("combined",)),
    (_FEATURES, "posterior", _ANY_POSTERIOR),
    (rf"{_HALO}(?:(?: is)? (?:present|seen|yes))?", "halo", ("yes",)),
    (_CALC, "calcification", _ANY_CALCIFICATION),
    (rf"{_CALC}(?: are)? (?:present|seen)", "calcification", _ANY_CALCIFICATION),
    (
        rf"(?:intra ?lesional|internal) {_CALC}|{_CALC} (?:in|within|inside) (?:a|the|its) {_MASS}",
        "calcification",
        ("in_a_mass",),
    ),
    (rf"{_CALC} outside (?:of )?(?:a|the) {_MASS}", "calcification", ("outside_a_mass",)),
    (rf"intra ?ductal {_CALC}|{_CALC} intra ?ductal", "calcification", ("intraductal",)),
    # places, not sizes: known to be none of the above
    (rf"{_FROM} (?:the )?(?:skin|nipple|areola|chest wall|surface)", "center_y", ()),
)

_FILLERS = """
a an the is are was it its this that there which of in on at to from for as has have having
shows show showing shown demonstrates seen noted visible image picture ultrasound sonography
sonogram sonographic us scan breast margin margins margined border borders edge edges outline
outlines contour contours shape shaped orientation oriented echo pattern echogenicity
echotexture appearance size sized measuring measures measured about approximately approx
between diameter largest greatest maximum maximal dimension skin surface line pathology
category assessment composition background tissue present identified visualised visualized evident
detected found evidence located within around roughly up ~ ≈ suspicious probably mild mildly marked
markedly
"""
IGNORED = frozenset(_FILLERS.split())
WORDS = tuple(
    sorted(
        {word for terms in TERMS.values() for t in terms for word in t.split("_") if len(word) > 3}
        | {"calcifications", "lesion", "margins", "posterior"}
    )
)
_PLACE = "depth and distance are no size: give them by --set center_y=0.4 (fraction of the image)"
HINTS = {
    "lobulated": "say oval (gently lobulated) or microlobulated",
    "macrolobulated": "say oval",
    "smooth": "say circumscribed",
    "echogenic": "say hyperechoic",
    "intraductal": "say intraductal calcifications",
    "irregular margins": "name them: indistinct, angular, microlobulated, spiculated",
    "irregular margin": "name it: indistinct, angular, microlobulated, spiculated",
    "rads": "BI-RADS is 1, 2, 3, 4, 4a, 4b, 4c or 5",
    "complicated": "say anechoic, or complex cystic and solid",
    "minus": "a size must be > 0",
    "deep": f"for a height say 9 mm tall; {_PLACE}",
    **dict.fromkeys(("depth", "distance", "skin", "nipple", "areola", "wall", "surface"), _PLACE),
}


def without(field: str, terms: frozenset[str]) -> frozenset[str]:
    """Return what is left of a field when `terms` are denied; combined contains its parts."""
    if field == "posterior" and terms & {"enhancement", "shadowing"}:
        terms = terms | {"combined"}
    return frozenset(TERMS[field]) - terms
