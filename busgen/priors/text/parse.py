"""Text -> conditions on a finding: understands a radiologist's phrase or says what it cannot.

In: English such as "irregular hypoechoic mass with spiculated margins and posterior shadowing,
14 mm". Out: `Condition`s; what the text leaves open stays open, except that the margin terms that
it names are all there are. "no X or Y" denies both, "X is not seen" what stands before it; "14 x 9
mm" is width x height; one number is the largest side. Every word must be known, in
the `lexicon`; what no finding holds is left out and named.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from busgen.errors import FindingError
from busgen.priors.conditions import CONTRADICTION, SIZE, Condition, parse_sizes, to_margin
from busgen.priors.text import lexicon
from busgen.priors.text.lexicon import ASIDE, PHRASES, PRESENT, REMARK, REWRITTEN, normalise

MOST_CHARS = 2000  # more describes no lesion
_PHRASES = [(re.compile(rf"(?:{p})(?!\S)"), name, terms) for p, name, terms in PHRASES]
_DENIAL = re.compile(
    r"(?:no|not|non|without|neither|nor|(?:absence|free|devoid) of|negative for|lacks)(?!\S)"
)
_ABSENT = re.compile(rf"(?:not (?:{PRESENT})|absent|none|no(?= [,.;]|$))(?!\S)")
_LISTS = {  # these deny lists, `not` one phrase
    *("no", "without", "neither", "absence of", "free of", "devoid of", "negative for", "lacks")
}
_AFTER = "absent"  # how a denial that follows its phrase is kept
_PRESENCE = {"halo", "posterior", "calcification", ASIDE}  # one list may deny these together
_STOPS = {",", ".", ";", "with", "but"}
_LINKS = {"or", "and", "to"}


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


@dataclass(frozen=True)
class _Understood:
    """What a text states, and what it says that no finding holds: left out, never guessed."""

    conditions: tuple[Condition, ...]
    left_out: tuple[str, ...] = ()


def read_text(text: str) -> _Understood:
    """Return what `text` states of a finding, and what of it no finding holds.

    Raises `FindingError` for more than `MOST_CHARS` characters; naming unknown words,
    contradictions ("oval" with "irregular", two sizes, circumscribed with another margin term) and
    denials whose reach is unclear ("no halo and shadowing").
    """
    if len(text) > MOST_CHARS:
        rule = f"text must have at most {MOST_CHARS} characters"
        raise FindingError(rule, len(text), "describe one lesion in a sentence or two")
    line = normalise(text)
    for pattern, written in REWRITTEN:
        line = " ".join(pattern.sub(written, line).split())
    pieces = list(_pieces(line))
    unknown = [piece.text for piece in pieces if piece.kind == "unknown"]
    if unknown:
        named = [(word, lexicon.hint_of(word)) for word in dict.fromkeys(unknown)]
        hints = "; ".join(f"{word}: {hint}" for word, hint in named if hint)
        remedy = hints or "use the terms of the BI-RADS lexicon, leave out the rest"
        raise FindingError("every word of a text must be known", ", ".join(unknown), remedy)
    phrases = _statements([piece for piece in pieces if piece.field != REMARK])
    sizes = parse_sizes([piece.text for piece in pieces if piece.kind == "size"])
    conditions = (*_terms(phrases), *_margin(phrases), *sizes)
    if not conditions:
        raise FindingError("text must describe a finding", repr(text), "e.g. oval anechoic mass")
    asides = [_quote(statement) for statement in phrases if statement.field == ASIDE]
    remarks = [piece.text for piece in pieces if piece.field == REMARK]
    return _Understood(conditions, (*remarks, *asides))


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
    found = [_Piece("size", size[0])] if (size := SIZE.match(line, at)) else []
    found += [
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
    known = word in _STOPS or word in _LINKS or word in lexicon.IGNORED
    return _Piece("word" if known else "unknown", word)


def _statements(pieces: Sequence[_Piece]) -> list[_Statement]:
    """Return what the phrases state, each with the denial that reaches it."""
    phrases: list[_Statement] = []
    denial, link, before = "", "", None
    for place, piece in enumerate((*pieces, _Piece("word", "."))):
        if denial and (piece.kind in {"denial", "absent"} or piece.text in _STOPS):
            raise _unclear(f"{denial} {piece.text}".rstrip(" .,;"))
        if piece.kind == "phrase":
            phrases.append(_statement(piece, denial, link, before))
            denial, link, before = "", "", phrases[-1]
        elif piece.kind == "denial":
            denial, link = piece.text, ""
        elif piece.kind == "absent":
            phrases[-1:] = [_deny(before, piece.text)]
            before = phrases[-1]
        elif piece.text == "," and before and _list_goes_on(before, pieces[place + 1 :]):
            link = "or"  # "no halo, shadowing or calcifications" denies all three
        elif piece.text in _STOPS:
            denial, link, before = "", "", None
        elif piece.kind == "word":
            link = piece.text
    return phrases


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


def _deny(before: _Statement | None, denial: str) -> _Statement:
    """Return the statement before "not seen", denied; raise where more or nothing may be meant."""
    if not before or before.denial or before.linked:
        raise _unclear(f"{_quote(before)} {denial}" if before else denial)
    return replace(before, denial=_AFTER)


def _statement(piece: _Piece, denial: str, link: str, before: _Statement | None) -> _Statement:
    """Return the statement in one phrase, given the denial and link that stand before it."""
    if link == "to":  # oval to round is either, hypoechoic to fat is no alternative
        same = before and before.field == piece.field and not before.denial
        link = "or" if same else ""
    tied = bool(link and before)
    if not before or not tied or denial:
        return _Statement(piece.text, piece.field, piece.terms, denial, tied)
    phrases = f"{before.phrase} {link} {piece.text}"
    if before.denial in _LISTS and link == "and":
        raise _unclear(f"{before.denial} {phrases}")
    if before.denial and link == "or":
        if before.denial == _AFTER or not _alike(before.field, piece.field):
            raise _unclear(f"{before.denial} {phrases}")
        return _Statement(piece.text, piece.field, piece.terms, before.denial, tied)
    joined = link == "or"
    if joined and (before.field != piece.field or piece.field == "margin"):
        raise FindingError("or must join terms of one field, not margins", phrases, "name one")
    return _Statement(piece.text, piece.field, piece.terms, "", tied, joined)


def _terms(sentences: Sequence[_Statement]) -> list[Condition]:
    """Return one condition a field; raise `FindingError` for fields said in two ways."""
    left: dict[str, list[frozenset[str]]] = {}
    for statement in sentences:
        name, terms = statement.field, statement.terms
        if name in ("margin", ASIDE):
            continue
        if statement.denial:
            # combined contains its parts
            parts = name == "posterior" and terms & {"enhancement", "shadowing"}
            terms = frozenset(lexicon.TERMS[name]) - terms - ({"combined"} if parts else set())
        sets = left.setdefault(name, [])
        sets.append(terms | sets.pop() if statement.joined else terms)
    conditions = []
    for name, sets in left.items():
        both = frozenset.intersection(*sets)
        if not both:
            phrases = [_quote(s) for s in sentences if s.field == name]
            raise FindingError(CONTRADICTION.format(name), phrases, "keep one of them")
        ordered = tuple(term for term in lexicon.TERMS[name] if term in both)
        conditions.append(Condition(name, "in", ordered))
    return conditions


def _margin(phrases: Sequence[_Statement]) -> list[Condition]:
    """Return the margin: exactly the terms named; if only denied, all but those."""
    about = [statement for statement in phrases if statement.field == "margin"]
    named = {term for s in about if not s.denial for term in s.terms}
    denied = [term for s in about if s.denial for term in sorted(s.terms)]
    if named & set(denied) or ("circumscribed" in named and len(named) > 1):
        raise FindingError(
            CONTRADICTION.format("margin"), [_quote(s) for s in about], "keep one of them"
        )
    if named:
        return [Condition("margin", "in", (to_margin("+".join(named)),))]
    return [Condition("margin", "excludes", (term,)) for term in denied]


def _quote(statement: _Statement) -> str:
    return f"{statement.denial} {statement.phrase}".strip()


def _unclear(got: str) -> FindingError:
    remedy = "write no before each thing denied, a comma or 'with' before what is present"
    return FindingError("the reach of a denial must be clear", got, remedy)
