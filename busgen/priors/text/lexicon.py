"""Words that a text may use besides the phrases, and what to say of those that it may not.

In: nothing. Out: terms of each field, words without meaning of their own, hints.
"""

from difflib import get_close_matches

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
}
_FILLERS = """
a an the is are was it its this that these there which whose where one of in on at from for as has
have having i we me show shows showing shown demonstrates demonstrating displays exhibits reveals
presents presenting appears appearing seen noted visible identified visualised visualized evident
detected found present confirmed evidence sign signs casting casts throwing picture image draw
generate create make ultrasound ultrasonography sonography sonogram sonographic sonographically us
scan study examination breast breasts margin margins marginated margined border borders edge edges
outline outlines contour contours boundary boundaries limits shape shaped form orientation oriented
aligned echo echoes pattern echogenicity echotexture texture appearance size sized measuring
measures measured about approximately approx between diameter largest greatest maximum maximal
dimension skin surface line axis long pathology histology diagnosis impression conclusion category
assessment acr birads composition background tissue located within around roughly up area region
zone finding findings suspicious suggestive highly probable probably likely possible possibly
compatible consistent typical mild mildly moderate moderately marked markedly slight slightly partly
partially significant definite associated adjacent surrounded behind posteriorly very somewhat
component components also then either by be lying lies nicely quite rather markedly
given giving throws inside interior within surroundings along beam band structure deeply consisting
containing contains includes including having regarding noting adjacent next most part parts focus
~ ≈ ' " @ ! ? * #
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
    "intraductal": "say intraductal calcifications",
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


def hint_of(word: str) -> str:
    """Return what was perhaps meant by an unknown word: a known trap, or another close to it."""
    for key in (word, word.split()[-1]):
        if key in HINTS:
            return HINTS[key]
    if word[0].isdigit():
        return "a number needs its unit, e.g. 14 mm"
    if word in WORDS:
        return "a word of the lexicon that must stand in a whole term"
    close = get_close_matches(word, WORDS, 1, 0.8)
    return f"did you mean {close[0]}?" if close else ""
