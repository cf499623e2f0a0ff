"""Spelling of a text: abbreviations written out, signs and units made one, words parted by spaces.

In: text as a user writes it. Out: lower-case tokens, as `busgen.priors.text.lexicon` has them.
"""

import re

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\S")
_SIGNS = str.maketrans({"–": "-", "−": "-", "×": " x ", "(": ",", ")": ",", "’": "'", "≤": "<"})
_ABBREVIATIONS = {  # whole words in any case, with a full stop or without
    "approx": "approximately",
    "calcs?": "calcifications",
    "ca\\+\\+": "calcifications",
    "cat": "category",
    "circ": "circumscribed",
    "def": "defined",
    "enh": "enhancement",
    "fa": "fibroadenoma",
    "hetero": "heterogeneous",
    "homog": "homogeneous",
    "hyper(?! ?-? ?(?:echo|vasc))|hyperech": "hyperechoic",
    "hypo(?! ?-? ?(?:echo|vasc))|hypoech": "hypoechoic",
    "idc|ilc|dcis": "carcinoma",
    "irreg": "irregular",
    "iso(?! ?-? ?echo)|isoech": "isoechoic",
    "lacking": "lacks",
    "lobul?": "lobulated",
    "lt": "left",
    "microcalcs?": "microcalcifications",
    "microlob": "microlobulated",
    "neg": "negative",
    "pas": "posterior acoustic shadowing",
    "post": "posterior",
    "rt": "right",
    "shad": "shadowing",
    "spic": "spiculated",
    "susp": "suspicious",
}
_DOT = r"(?:\.(?=\s*[-a-z\d,;:/]))?"  # of an abbreviation: before a capital it ends a sentence
_WRITTEN = [
    *((re.compile(rf"\b(?i:{short})\b{_DOT}"), long) for short, long in _ABBREVIATIONS.items()),
    (re.compile(r"\b(?i:w/o)\b"), "without"),
    (re.compile(r"\b(?i:w/)"), "with "),
    (re.compile(r"\(-\)"), " no "),
    (re.compile(r"\(\+\)|(?<=\s)\+(?=\W|$)"), " "),
    (re.compile(r"\b(\d{1,2}):\d\d\b"), r"\1 o'clock"),
    (re.compile(r"[&]"), " and "),
    (re.compile(r">"), " than "),
    (re.compile(r"\b(?i:(bi-?\s?rads|category)[-\s:]*)(IV|III|II|V|I)\b"), r"\1 \2"),
]
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}


def _normalise(text: str) -> str:
    """Return lower-case tokens joined by single spaces.

    Hyphens between words are spaces, between numbers "to", before a number "minus"; "3,5 cm" has a
    decimal comma; "irreg." is irregular, "w/o" without, "2:00" 2 o'clock.
    """
    for pattern, written in _WRITTEN:
        text = pattern.sub(written, text)
    text = text.lower().translate(_SIGNS)
    text = re.sub(r"(rads|category) (i{1,3}|iv|v)\b", lambda m: f"{m[1]} {_ROMAN[m[2]]}", text)
    text = re.sub(r"(milli|centi)met(?:re|er)s?\b", lambda m: f"{m[1][0]}m", text)
    text = re.sub(r"(?<![\d,.])(\d+),(\d\d?)(?=\s*(?:[mc]m|x|by|to|-)\b)", r"\1.\2", text)
    text = re.sub(r"(\d(?:\s*[mc]m)?)\s*-\s*(?=\d)", r"\1 to ", text)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = re.sub(r"(?<![\w.])-(?=\d)", " minus ", text)
    text = re.sub(r"[-_/:]", " ", text)
    return " ".join(_TOKEN.findall(text))
