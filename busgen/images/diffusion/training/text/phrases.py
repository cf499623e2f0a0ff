"""Sentences for the text encoder to learn from: what is stated -> English, in very many wordings.

In: a mapping of stated fields, a generator, a grammar. Out: text that states these and no more.
Terms are drawn independently of each other: nothing may be concluded from what is not said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from busgen import schema, seeds
from busgen.images.diffusion.text import FIELDS, Stated
from busgen.images.diffusion.training.text import held_out, vocabulary
from busgen.images.diffusion.training.text.misspellings import misspelt
from busgen.priors.findings import FIELDS as FINDING_FIELDS
from busgen.priors.findings import LESION_FIELDS, Finding
from busgen.priors.text.words import to_text

T = TypeVar("T")
Rng = np.random.Generator
_BEFORE_NOUN = ("shape", "orientation", "margin", "echo_pattern", "pathology")
_ARTICLE = re.compile(r"^an? ")


@dataclass(frozen=True)
class Grammar:
    """What sentences are made of; entries as in `vocabulary`."""

    synonyms: vocabulary.Synonyms
    clauses: dict[str, tuple[str, ...]]
    present: tuple[str, ...]
    absent: tuple[str, ...]
    leads: tuple[str, ...]
    masses: tuple[str, ...]
    joiners: tuple[str, ...]


SEEN = Grammar(
    *(vocabulary.SYNONYMS, vocabulary.CLAUSES, vocabulary.PRESENT, vocabulary.ABSENT),
    *(vocabulary.LEADS, vocabulary.MASSES, vocabulary.JOINERS),
)
UNSEEN_TEMPLATES = Grammar(
    *(vocabulary.SYNONYMS, held_out.CLAUSES, held_out.PRESENT, held_out.ABSENT),
    *(held_out.LEADS, held_out.MASSES, held_out.JOINERS),
)
UNSEEN_SYNONYMS = replace(SEEN, synonyms=held_out.SYNONYMS)


def sentences(
    n: int, seed: int, grammar: Grammar = SEEN, *, typos: bool = False
) -> tuple[list[str], list[Stated]]:
    """Return `n` texts of a grammar and what each states; text *k* depends on (seed, *k*)."""
    texts: list[str] = []
    truths: list[Stated] = []
    for k in range(n):
        rng = seeds.rng(seeds.sample_seed(seed, k), "phrases")
        stated = draw_stated(rng)
        text = write(stated, rng, grammar)
        texts.append(misspelt(text, rng) if typos else text)
        truths.append(stated)
    return texts, truths


def lesson(n: int, rng: Rng) -> tuple[list[str], list[Stated]]:
    """Return `n` texts to learn from, a quarter as the prior writes them, some misspelt."""
    truths: list[Stated] = [draw_stated(rng) for _ in range(n)]
    texts = [
        as_prior(stated, rng) if rng.random() < 0.25 else write(stated, rng, SEEN)
        for stated in truths
    ]
    return [misspelt(text, rng) if rng.random() < 0.4 else text for text in texts], truths


def draw_stated(rng: Rng) -> dict[str, Any]:
    """Return a random statement: few fields or many, every term as likely as another."""
    share = (0.0, 0.2, 0.4, 0.6, 1.0)[int(rng.random() * 5)]
    kept = [name for name in FIELDS if rng.random() < share] or [_pick(FIELDS, rng)]
    if rng.random() < 0.02:
        kept = []
    stated: dict[str, Any] = {name: _term(name, rng) for name in kept}
    if stated.get("pathology") == "normal" and rng.random() < 0.5:
        stated["pathology"] = _pick(("benign", "malignant"), rng)
    if stated.get("pathology") == "normal":
        return {k: v for k, v in stated.items() if k not in LESION_FIELDS}
    return stated


def _term(name: str, rng: Rng) -> str | bool | tuple[str, ...]:
    """Return a random term of a field."""
    if name == "halo":
        return bool(rng.random() < 0.5)
    if name == "birads" and rng.random() < 0.08:
        return "4"
    if name != "margin":
        values = schema.BY_NAME[name].values
        return _pick(values or (), rng)
    if rng.random() < 0.3:
        return ("circumscribed",)
    others = schema.MARGINS[1:]
    kept = tuple(term for term in others if rng.random() < 0.3)
    return kept or (_pick(others, rng),)


def as_prior(stated: Stated, rng: Rng) -> str:
    """Return the text that the prior writes for a finding that states only this."""
    width, height = 3 + 30 * rng.random(), 3 + 30 * rng.random()
    values: dict[str, Any] = dict.fromkeys(FINDING_FIELDS) | dict(stated)
    if rng.random() < 0.7 and stated.get("pathology") != "normal":
        values |= {"width_mm": width, "height_mm": height}
    return to_text(Finding(**values), rng)


def write(stated: Stated, rng: Rng, grammar: Grammar) -> str:
    """Return a text that states this, fields in random order, with asides that say nothing."""
    form = rng.random() < 0.2
    fields = [name for name in FIELDS if stated.get(name) is not None]
    order = [fields[i] for i in rng.permutation(len(fields))]
    before: list[str] = []
    parts: list[str] = []
    for name in order:
        if not form and name in _BEFORE_NOUN and rng.random() < 0.35:
            phrase = _synonym(name, stated[name], rng, grammar)
            if not phrase.startswith("=") and phrase != "normal":
                before.append(phrase)
                continue
        parts.append(_clause(name, stated[name], rng, grammar, form=form))
    if before or (rng.random() < 0.4 and not form and stated.get("pathology") != "normal"):
        glue = _pick((" ", ", ", " "), rng)
        head = f"{_pick(grammar.leads, rng)} {glue.join(before)} {_pick(grammar.masses, rng)}"
        parts.insert(0 if rng.random() < 0.85 else len(parts), " ".join(head.split()))
    parts = _with_asides(parts, stated, rng)
    joiner = _pick(grammar.joiners, rng)
    mixed = rng.random() < 0.4
    text = parts[0] if parts else ""
    for part in parts[1:]:
        text += (_pick(grammar.joiners, rng) if mixed else joiner) + part
    return text + _pick((".", "", ""), rng)


def _with_asides(parts: list[str], stated: Stated, rng: Rng) -> list[str]:
    """Return the parts with sizes, denied margins and irrelevant clauses put among them."""
    extra = []
    if rng.random() < 0.35 and stated.get("pathology") != "normal":
        extra.append(_filled(_pick(vocabulary.SIZES, rng), rng))
    extra += [_filled(_pick(vocabulary.ASIDES, rng), rng) for _ in range(3) if rng.random() < 0.2]
    extra += _denied(stated, rng)
    for part in extra:
        parts.insert(int(rng.random() * (len(parts) + 1)), part)
    return parts


def _denied(stated: Stated, rng: Rng) -> list[str]:
    """Return denials that leave what is stated as it is: of the other margins or the other band."""
    said = []
    other = {"enhancement": "shadowing", "shadowing": "enhancement"}
    posterior = stated.get("posterior")
    if isinstance(posterior, str) and posterior in other and rng.random() < 0.1:
        said.append(_pick(("no {}", "without posterior {}", "no acoustic {}"), rng))
        said[0] = said[0].format(other[posterior])
    margin, term = stated.get("margin") or (), _pick(schema.MARGINS, rng)
    if stated.get("pathology") == "normal" or not isinstance(margin, tuple) or term in margin:
        return said
    if rng.random() < 0.05:
        said.append(_pick(("not {}", "no {} margins", "non-{}"), rng).format(term))
    return said


def _filled(pattern: str, rng: Rng) -> str:
    """Return a size or an aside with numbers in it."""
    numbers = {
        "n": int(18 + 70 * rng.random()),
        "d": int(1 + 9 * rng.random()),
        "y": int(2005 + 20 * rng.random()),
        "w": round(3 + 30 * rng.random(), int(2 * rng.random())),
        "h": round(3 + 30 * rng.random(), int(2 * rng.random())),
        "c": round(0.3 + 3 * rng.random(), 1),
        "e": round(0.3 + 3 * rng.random(), 1),
    }
    return pattern.format(**numbers)


def _synonym(name: str, value: object, rng: Rng, grammar: Grammar) -> str:
    """Return words for a field's value; nouns of what is denied for `none` and False."""
    if name == "birads":
        return str(value).upper() if rng.random() < 0.5 else str(value)
    words = grammar.synonyms[name]
    if name == "halo":
        return _pick(words["yes"], rng)
    if not isinstance(value, tuple):
        return _pick(words[str(value)], rng)
    chosen = [_pick(words[term], rng) for term in value]
    if len(chosen) == 1:
        return chosen[0]
    plain = [word.removeprefix("=") for word in chosen]
    glue = _pick((", ", " and ", ", ", " & "), rng)
    joined = glue.join(plain[:-1]) + _pick((" and ", ", ", " and "), rng) + plain[-1]
    return f"={joined}" if plain != chosen else joined


def _clause(name: str, value: object, rng: Rng, grammar: Grammar, *, form: bool) -> str:
    """Return a clause about one field."""
    phrase = _synonym(name, value, rng, grammar)
    if phrase.startswith("="):
        return phrase[1:]
    if name in grammar.clauses:
        clauses = grammar.clauses[name]
    else:
        absent = value in (False, "none")
        clauses = grammar.absent if absent else grammar.present
        phrase = _ARTICLE.sub("", phrase) if absent else phrase
    if form:
        clauses = tuple(c for c in clauses if ":" in c) or clauses
    return _pick(clauses, rng).format(phrase)


def descriptors(synonyms: vocabulary.Synonyms) -> list[tuple[str, Stated]]:
    """Return every synonym as a text of its own, with what it states."""
    found: list[tuple[str, Stated]] = []
    for name, terms in synonyms.items():
        for term, phrases in terms.items():
            denied = term == "none"
            value = (term,) if name == "margin" else True if name == "halo" else term
            for phrase in phrases:
                lead = "no " if denied and not phrase.startswith("=") else ""
                found.append((lead + phrase.removeprefix("="), {name: value}))
    return found


def _pick(items: Sequence[T], rng: Rng) -> T:
    return items[int(rng.random() * len(items))]
