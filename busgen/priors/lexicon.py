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
_BREAST = r"(?: (?:breast|background|tissue|parenchyma|echotexture|composition))"
_OF_TISSUE = r"(?:(?:breast |background )?tissue composition|background(?: echotexture| tissue)?)"

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
    (rf"{_FEATURES}(?: are| is)? (?:none|absent)", "posterior", ("none",)),
    (_FEATURES, "posterior", _ANY_POSTERIOR),
    (rf"{_HALO}(?:(?: is)? (?:present|seen|yes))?", "halo", ("yes",)),
    (rf"{_HALO}(?: is)? (?:absent|none|no)", "halo", ("no",)),
    (_CALC, "calcification", _ANY_CALCIFICATION),
    (rf"{_CALC}(?: are)? (?:present|seen)", "calcification", _ANY_CALCIFICATION),
    (rf"{_CALC}(?: are)? (?:none|absent)", "calcification", ("none",)),
    (
        rf"(?:intra ?lesional|internal) {_CALC}|{_CALC} (?:in|within|inside) (?:a|the|its) {_MASS}",
        "calcification",
        ("in_a_mass",),
    ),
    (rf"{_CALC} outside (?:of )?(?:a|the) {_MASS}", "calcification", ("outside_a_mass",)),
    (rf"intra ?ductal {_CALC}|{_CALC} intra ?ductal", "calcification", ("intraductal",)),
)

_FILLERS = """
a an the is are was it its this that there which of in on at to from for as has have having
shows show showing shown demonstrates seen noted visible image picture ultrasound sonography
sonogram sonographic us scan breast margin margins margined border borders edge edges outline
outlines contour contours shape shaped orientation oriented echo pattern echogenicity
echotexture appearance size sized measuring measures measured about approximately approx
between diameter largest greatest maximum maximal dimension skin surface line pathology
category assessment composition background tissue present
"""
IGNORED = frozenset(_FILLERS.split())
HINTS = {
    "lobulated": "say oval (gently lobulated) or microlobulated",
    "macrolobulated": "say oval",
    "smooth": "say circumscribed",
    "echogenic": "say hyperechoic",
    "irregular margins": "name them: indistinct, angular, microlobulated, spiculated",
    "irregular margin": "name it: indistinct, angular, microlobulated, spiculated",
    "rads": "BI-RADS is 1, 2, 3, 4, 4a, 4b, 4c or 5",
    "complicated": "say anechoic, or complex cystic and solid",
}


def without(field: str, terms: frozenset[str]) -> frozenset[str]:
    """Return what is left of a field when `terms` are denied; combined contains its parts."""
    if field == "posterior" and terms & {"enhancement", "shadowing"}:
        terms = terms | {"combined"}
    return frozenset(TERMS[field]) - terms
