"""Text -> conditions on a finding: understands a radiologist's phrase or says what it cannot.

In: English such as "irregular hypoechoic mass with spiculated margins and posterior shadowing,
14 mm". Out: `Condition`s; what the text leaves open stays open, except that the margin terms that
it names are all there are. "no X or Y" denies both, "X is not seen" what stands before it; "14 x 9
mm" is width x height; one number is the largest side. Every word must be known, in
`busgen.priors.lexicon`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from busgen.errors import FindingError
from busgen.priors import lexicon
from busgen.priors.conditions import Condition, margin_set
from busgen.priors.measures import SIZE, contradiction, size_conditions

MOST_CHARS = 2000  # more describes no lesion
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\S")
_PHRASES = [(re.compile(rf"(?:{p})(?!\S)"), name, terms) for p, name, terms in lexicon.PHRASES]
_DENIAL = re.compile(r"(?:no|not|non|without|neither|nor|absence of|free of)(?!\S)")
_ABSENT = re.compile(rf"(?:not (?:{lexicon.PRESENT})|absent|none|no(?= [,.;]|$))(?!\S)")
_LISTS = {"no", "without", "neither", "absence of", "free of"}  # these deny lists, `not` one phrase
_AFTER = "absent"  # how a denial that follows its phrase is kept
_PRESENCE = {"halo", "posterior", "calcification"}  # one list may deny these together
_STOPS = {",", ".", ";", "with", "but"}
_SIGNS = str.maketrans({"–": "-", "−": "-", "×": " x ", "(": ",", ")": ","})


@dataclass(frozen=True)
class _Piece:
    """A stretch of text: `kind` is phrase, size, denial, absent, word (link or stop) or unknown."""

    kind: str
    text: str
    field: str = ""
    terms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Statement:
    """A phrase with the denial that reaches it.

    `linked`: an "and" or "or" ties it to the one before; `joined`: it is an alternative to that.
    """

    phrase: str
    field: str
    terms: frozenset[str]
    denial: str = ""
    linked: bool = False
    joined: bool = False


def from_text(text: str) -> tuple[Condition, ...]:
    """Return the conditions that `text` states.

    Raises
    ------
    FindingError
        For more than `MOST_CHARS` characters; naming unknown words, contradictions ("oval" with
        "irregular", two sizes, circumscribed with another margin term) and denials whose reach is
        unclear ("no halo and shadowing").
    """
    if len(text) > MOST_CHARS:
        rule = f"text must have at most {MOST_CHARS} characters"
        raise FindingError(rule, len(text), "describe one lesion in a sentence or two")
    pieces = list(_pieces(normalised(text)))
    unknown = [piece.text for piece in pieces if piece.kind == "unknown"]
    if unknown:
        raise _unknown(unknown)
    said = _statements(pieces)
    sizes = size_conditions([piece.text for piece in pieces if piece.kind == "size"])
    conditions = (*_terms(said), *_margin(said), *sizes)
    if not conditions:
        raise FindingError("text must describe a finding", repr(text), "e.g. oval anechoic mass")
    return conditions


def normalised(text: str) -> str:
    """Return lower-case tokens joined by single spaces.

    Hyphens between words are spaces, between numbers "to", before a number "minus"; "3,5 cm" has a
    decimal comma.
    """
    text = text.lower().translate(_SIGNS)
    text = re.sub(r"(milli|centi)met(?:re|er)s?\b", lambda m: f"{m[1][0]}m", text)
    text = re.sub(r"(?<![\d,.])(\d+),(\d\d?)(?=\s*(?:[mc]m|x|by|to|-)\b)", r"\1.\2", text)
    text = re.sub(r"(\d(?:\s*[mc]m)?)\s*-\s*(?=\d)", r"\1 to ", text)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = re.sub(r"(?<![\w.])-(?=\d)", " minus ", text)
    text = re.sub(r"[-_/:]", " ", text)
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
    if size := SIZE.match(line, at):
        return _Piece("size", size[0])
    found = [
        _Piece(kind, match[0])
        for kind, pattern in (("absent", _ABSENT), ("denial", _DENIAL))
        if (match := pattern.match(line, at))
    ]
    found += [
        _Piece("phrase" if terms else "unknown", match[0], name, frozenset(terms))
        for pattern, name, terms in _PHRASES
        if (match := pattern.match(line, at))
    ]
    if found:
        return max(found, key=lambda piece: len(piece.text))
    word = line[at:].split(" ", 1)[0]
    known = word in _STOPS or word in {"or", "and"} or word in lexicon.IGNORED
    return _Piece("word" if known else "unknown", word)


def _statements(pieces: Sequence[_Piece]) -> list[_Statement]:
    """Return what the phrases state, each with the denial that reaches it."""
    said: list[_Statement] = []
    denial, link, before = "", "", None
    for place, piece in enumerate((*pieces, _Piece("word", "."))):
        if denial and (piece.kind in {"denial", "absent"} or piece.text in _STOPS):
            raise _unclear(f"{denial} {piece.text}".rstrip(" .,;"))
        if piece.kind == "phrase":
            said.append(_statement(piece, denial, link, before))
            denial, link, before = "", "", said[-1]
        elif piece.kind == "denial":
            denial, link = piece.text, ""
        elif piece.kind == "absent":
            said[-1:] = [_denied(before, piece.text)]
            before = said[-1]
        elif piece.text == "," and before and _list_goes_on(before, pieces[place + 1 :]):
            link = "or"  # "no halo, shadowing or calcifications" denies all three
        elif piece.text in _STOPS:
            denial, link, before = "", "", None
        elif piece.kind == "word":
            link = piece.text
    return said


def _list_goes_on(before: _Statement, rest: Sequence[_Piece]) -> bool:
    """Return whether a denied list continues: like phrases, an "or" and one more of them."""
    last = False
    for piece in rest if before.denial in _LISTS else ():
        if piece.kind == "phrase":
            if last or not _alike(before.field, piece.field):
                return last and _alike(before.field, piece.field)
        elif piece.text in {"or", "nor"}:
            last = True
        elif piece.text != ",":
            return False
    return False


def _alike(field: str, other: str) -> bool:
    """Return whether one denial may reach phrases of both fields."""
    return field == other or {field, other} <= _PRESENCE


def _denied(before: _Statement | None, denial: str) -> _Statement:
    """Return the statement before "not seen", denied; raise where more or nothing may be meant."""
    if not before or before.denial or before.linked:
        raise _unclear(f"{_quoted(before)} {denial}" if before else denial)
    return replace(before, denial=_AFTER)


def _statement(piece: _Piece, denial: str, link: str, before: _Statement | None) -> _Statement:
    """Return the statement in one phrase, given the denial and link that stand before it."""
    tied = bool(link and before)
    if not before or not tied or denial:
        return _Statement(piece.text, piece.field, piece.terms, denial, tied)
    said = f"{before.phrase} {link} {piece.text}"
    if before.denial in _LISTS and link == "and":
        raise _unclear(f"{before.denial} {said}")
    if before.denial and link == "or":
        if before.denial == _AFTER or not _alike(before.field, piece.field):
            raise _unclear(f"{before.denial} {said}")
        return _Statement(piece.text, piece.field, piece.terms, before.denial, tied)
    joined = link == "or"
    if joined and (before.field != piece.field or piece.field == "margin"):
        raise FindingError("or must join terms of one field, not margins", said, "name one")
    return _Statement(piece.text, piece.field, piece.terms, "", tied, joined)


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
            raise contradiction(name, [_quoted(s) for s in said if s.field == name])
        ordered = tuple(term for term in lexicon.TERMS[name] if term in both)
        conditions.append(Condition(name, "in", ordered))
    return conditions


def _margin(said: Sequence[_Statement]) -> list[Condition]:
    """Return the margin: exactly the terms named; if only denied, all but those."""
    about = [statement for statement in said if statement.field == "margin"]
    named = {term for s in about if not s.denial for term in s.terms}
    denied = [term for s in about if s.denial for term in sorted(s.terms)]
    if named & set(denied) or ("circumscribed" in named and len(named) > 1):
        raise contradiction("margin", [_quoted(s) for s in about])
    if named:
        return [Condition("margin", "in", (margin_set("+".join(named)),))]
    return [Condition("margin", "excludes", (term,)) for term in denied]


def _quoted(statement: _Statement) -> str:
    return f"{statement.denial} {statement.phrase}".strip()


def _unclear(got: str) -> FindingError:
    return FindingError(
        "the reach of a denial must be clear",
        got,
        "write no before each thing denied, a comma or 'with' before what is present",
    )


def _unknown(words: list[str]) -> FindingError:
    """Return the error that names every unknown word, with what was perhaps meant."""
    hints = [f"{word}: {hint}" for word in dict.fromkeys(words) if (hint := _hint(word))]
    remedy = "; ".join(hints) or "use the terms of the BI-RADS lexicon, leave out the rest"
    return FindingError("every word of a text must be known", ", ".join(words), remedy)


def _hint(word: str) -> str:
    """Return what was perhaps meant by `word`: a known trap, or another word close to it."""
    for key in (word, word.split()[-1]):
        if key in lexicon.HINTS:
            return lexicon.HINTS[key]
    if word[0].isdigit():
        return "a number needs its unit, e.g. 14 mm"
    if word in lexicon.WORDS:
        return "a word of the lexicon that must stand in a whole term"
    close = get_close_matches(word, lexicon.WORDS, 1, 0.8)
    return f"did you mean {close[0]}?" if close else ""
