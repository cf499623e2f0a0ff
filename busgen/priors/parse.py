"""Text -> conditions on a finding: understands a radiologist's phrase or says what it cannot.

In: English such as "irregular hypoechoic mass with spiculated margins and posterior shadowing,
14 mm". Out: `Condition`s; what the text leaves open stays open, except that the margin terms that
it names are all there are. "no X or Y" denies both; "14 x 9 mm" is width x height; one number is
the largest side. Every word must be known, in `busgen.priors.lexicon`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from busgen.errors import FindingError
from busgen.priors import lexicon
from busgen.priors.conditions import Condition, margin_set

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\S")
_NUMBER = r"(\d+(?:\.\d+)?)"
_SIZE = re.compile(
    rf"{_NUMBER}(?: (mm|cm))?(?: (x|by|to|and) {_NUMBER})?(?: (x|by) {_NUMBER})? (mm|cm)\b"
    r"(?: (?:in )?(wide|width|tall|high|height|deep|depth)\b)?"
)
_SIDES = {"wide": "width_mm", "width": "width_mm", None: "size_mm"}
_PHRASES = [(re.compile(rf"(?:{p})(?!\w)"), name, terms) for p, name, terms in lexicon.PHRASES]
_DENIAL = re.compile(r"(?:no|not|non|without|neither|nor|absence of|free of)(?!\w)")
_LISTS = {"no", "without", "neither", "absence of", "free of"}  # these deny lists, `not` one phrase
_STOPS = {",", ".", ";", "with", "but"}


@dataclass(frozen=True)
class _Piece:
    """A stretch of text: `kind` is phrase, size, denial, word (a link or a stop) or unknown."""

    kind: str
    text: str
    field: str = ""
    terms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Statement:
    """A phrase with the denial that reaches it; `joined`: an alternative to the one before."""

    phrase: str
    field: str
    terms: frozenset[str]
    denial: str = ""
    joined: bool = False


def from_text(text: str) -> tuple[Condition, ...]:
    """Return the conditions that `text` states.

    Raises
    ------
    FindingError
        Naming unknown words, contradictions ("oval" with "irregular", two sizes, circumscribed
        with another margin term) and denials whose reach is unclear ("no halo and shadowing").
    """
    pieces = list(_pieces(normalised(text)))
    unknown = [piece.text for piece in pieces if piece.kind == "unknown"]
    if unknown:
        raise _unknown(unknown)
    said = _statements(pieces)
    sizes = _sizes([piece.text for piece in pieces if piece.kind == "size"])
    conditions = (*_terms(said), *_margin(said), *sizes)
    if not conditions:
        raise FindingError("text must describe a finding", repr(text), "e.g. oval anechoic mass")
    return conditions


def normalised(text: str) -> str:
    """Return lower-case tokens joined by single spaces; hyphens between words are spaces."""
    text = re.sub(r"(?<=\d)\s*[-–]\s*(?=\d)", " to ", text.lower())
    text = re.sub(r"[-–_/:]", " ", text.replace("×", " x ").replace("(", ",").replace(")", ","))
    return " ".join(_TOKEN.findall(text))


def _pieces(line: str) -> Iterator[_Piece]:
    """Yield what `line` consists of, longest phrase first; ignored words are left out."""
    at = 0
    while at < len(line):
        piece = _piece(line, at)
        if piece.text not in lexicon.IGNORED or piece.kind == "phrase":
            yield piece
        at += len(piece.text) + 1


def _piece(line: str, at: int) -> _Piece:
    """Return the piece that starts at `at`."""
    if size := _SIZE.match(line, at):
        return _Piece("size", size[0])
    found = [
        _Piece("phrase" if terms else "unknown", match[0], name, frozenset(terms))
        for pattern, name, terms in _PHRASES
        if (match := pattern.match(line, at))
    ]
    if denial := _DENIAL.match(line, at):
        found.append(_Piece("denial", denial[0]))
    if found:
        return max(found, key=lambda piece: len(piece.text))
    word = line[at:].split(" ", 1)[0]
    known = word in _STOPS or word in {"or", "and"} or word in lexicon.IGNORED
    return _Piece("word" if known else "unknown", word)


def _statements(pieces: Sequence[_Piece]) -> list[_Statement]:
    """Return what the phrases state, each with the denial that reaches it."""
    said: list[_Statement] = []
    denial, link, before = "", "", None
    for place, piece in enumerate(pieces):
        if piece.kind == "phrase":
            said.append(_statement(piece, denial, link, before))
            denial, link, before = "", "", said[-1]
        elif piece.kind == "denial":
            denial, link = piece.text, ""
        elif piece.text == "," and before and before.denial and _list_goes_on(pieces[place + 1 :]):
            link = "or"  # "no halo, shadowing or calcifications" denies all three
        elif piece.text in _STOPS:
            denial, link, before = "", "", None
        elif piece.kind == "word":
            link = piece.text
    return said


def _list_goes_on(rest: Sequence[_Piece]) -> bool:
    """Return whether an "or" comes before anything that ends the list."""
    for piece in rest:
        if piece.text in {"or", "nor"}:
            return True
        if piece.kind == "denial" or piece.text in {".", ";", "with", "but", "and"}:
            return False
    return False


def _statement(piece: _Piece, denial: str, link: str, before: _Statement | None) -> _Statement:
    """Return the statement in one phrase, given the denial and link that stand before it."""
    joined = False
    if not denial and link and before:
        if before.denial and link == "or":
            denial = before.denial
        elif before.denial in _LISTS and link == "and":
            raise FindingError(
                "the reach of a denial must be clear",
                f"{before.denial} {before.phrase} and {piece.text}",
                "repeat it (no ... and no ...), or put a comma or 'with' before what is present",
            )
        elif link == "or":
            joined = True
            if before.field != piece.field or piece.field == "margin":
                got = f"{before.phrase} or {piece.text}"
                raise FindingError("or must join terms of one field, not margins", got, "name one")
    return _Statement(piece.text, piece.field, piece.terms, denial, joined)


def _terms(said: Sequence[_Statement]) -> list[Condition]:
    """Return one condition a field; raise `FindingError` for fields said in two ways."""
    left: dict[str, list[frozenset[str]]] = {}
    for statement in said:
        name, terms = statement.field, statement.terms
        if name == "margin":
            continue
        if statement.denial:
            terms = lexicon.without(name, terms)
        sets = left.setdefault(name, [])
        sets.append(terms | sets.pop() if statement.joined else terms)
    conditions = []
    for name, sets in left.items():
        both = frozenset.intersection(*sets)
        if not both:
            raise _contradiction(name, [_quoted(s) for s in said if s.field == name])
        ordered = tuple(term for term in lexicon.TERMS[name] if term in both)
        conditions.append(Condition(name, "in", ordered))
    return conditions


def _margin(said: Sequence[_Statement]) -> list[Condition]:
    """Return the margin: exactly the terms named; if only denied, all but those."""
    about = [statement for statement in said if statement.field == "margin"]
    named = {term for s in about if not s.denial for term in s.terms}
    denied = [term for s in about if s.denial for term in sorted(s.terms)]
    if named & set(denied) or ("circumscribed" in named and len(named) > 1):
        raise _contradiction("margin", [_quoted(s) for s in about])
    if named:
        return [Condition("margin", "in", (margin_set("+".join(named)),))]
    return [Condition("margin", "excludes", (term,)) for term in denied]


def _quoted(statement: _Statement) -> str:
    return f"{statement.denial} {statement.phrase}".strip()


def _sizes(texts: Sequence[str]) -> list[Condition]:
    """Return the conditions in all size expressions; raise `FindingError` for a side twice."""
    conditions: list[Condition] = []
    for text in texts:
        new = _size(text)
        taken = {condition.field for condition in conditions}
        fields = {condition.field for condition in new}
        if taken & fields or (taken and "size_mm" in taken | fields):
            raise _contradiction("size", list(texts))
        conditions += new
    return conditions


def _size(text: str) -> list[Condition]:
    """Return the conditions in one size expression."""
    match = _SIZE.fullmatch(text)
    assert match  # `_piece` matched it
    first, unit, link, second, _, third, last_unit, side = match.groups()
    low = _mm(first, unit or last_unit)
    high = _mm(second, last_unit) if second else low
    if third or (link in {"x", "by"} and side):
        raise FindingError("a size must be width x height", text, "give two numbers in mm")
    if link in {"x", "by"}:
        ends = [("width_mm", low, low), ("height_mm", high, high)]
    else:
        ends = [(_SIDES.get(side, "height_mm"), low, high)]
    if min(low, high) <= 0 or any(start > stop for _, start, stop in ends):
        raise FindingError("a size must be > 0, ranges ascending", text, "e.g. 8 to 20 mm")
    return [Condition(name, "range", (), start, stop) for name, start, stop in ends]


def _mm(number: str, unit: str) -> float:
    return round(float(number) * (10 if unit == "cm" else 1), 6)


def _contradiction(name: str, phrases: list[str]) -> FindingError:
    return FindingError(f"text must not contradict itself on {name}", phrases, "keep one of them")


def _unknown(words: list[str]) -> FindingError:
    """Return the error that names every unknown word, with what was perhaps meant."""
    vocabulary = [word for terms in lexicon.TERMS.values() for t in terms for word in t.split("_")]
    hints = []
    for word in dict.fromkeys(words):
        close = get_close_matches(word, vocabulary, 1, 0.75)
        hint = lexicon.HINTS.get(word) or (f"did you mean {close[0]}?" if close else "")
        hints += [f"{word}: {hint}"] if hint else []
    remedy = "; ".join(hints) or "use the terms of the BI-RADS lexicon, leave out the rest"
    return FindingError("every word of a text must be known", ", ".join(words), remedy)
