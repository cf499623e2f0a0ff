"""Slips of the keyboard: misspelt words and other endings, so that letters are learned from.

In: a sentence, a generator. Out: the sentence with some longer words changed.
"""

import re

import numpy as np

from busgen.images.diffusion.training.text import held_out

_TYPO = 0.12  # share of longer words that are misspelt
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDINGS = ("", "s", "ed", "ing", "ly", "al", "ar", "ic", "ous", "ation", "ity", "er", "able", "y")
_HELD_OUT = frozenset(re.findall(r"[a-z]+", str(held_out.SYNONYMS)))  # no slip may teach these


def misspelt(text: str, rng: np.random.Generator) -> str:
    """Return `text` with slips of the keyboard and other endings in some of its longer words."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) > 4 and word.isalpha() and rng.random() < _TYPO:
            at = 1 + int(rng.random() * (len(word) - 2))
            letter = _LETTERS[int(rng.random() * 26)]
            stem = word[: max(4, len(word) - 1 - int(rng.random() * 4))]
            slips = (
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
                word[:at] + letter + word[at + 1 :],
                stem + _ENDINGS[int(rng.random() * len(_ENDINGS))],
                stem + _ENDINGS[int(rng.random() * len(_ENDINGS))],
            )
            slip = slips[int(rng.random() * len(slips))]
            words[i] = word if slip in _HELD_OUT else slip
    return " ".join(words)
