"""Text encoder: a clinical description to probabilities over the BI-RADS lexicon, field by field.

In: English of at most `MAX_WORDS` words. Out: for every slot a distribution over its terms, with
"unstated" last, so that any wording of one meaning reaches the image as the same numbers. Words
are hashed into buckets, whole and by their letters: misspelt and unseen inflections stay near.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from busgen import schema
from busgen.errors import UserError

UNSTATED = "unstated"
Stated = Mapping[str, str | bool | tuple[str, ...] | None]
SLOTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pathology", (*schema.PATHOLOGIES, UNSTATED)),
    ("birads", (*schema.BIRADS, UNSTATED)),
    ("tissue", (*schema.TISSUES, UNSTATED)),
    ("shape", (*schema.SHAPES, UNSTATED)),
    ("orientation", (*schema.ORIENTATIONS, UNSTATED)),
    *((f"margin_{term}", ("yes", UNSTATED)) for term in schema.MARGINS),
    ("echo_pattern", (*schema.ECHO_PATTERNS, UNSTATED)),
    ("posterior", (*schema.POSTERIORS, UNSTATED)),
    ("halo", ("yes", "no", UNSTATED)),
    ("calcification", (*schema.CALCIFICATIONS, UNSTATED)),
)
N_TERMS = sum(len(terms) for _, terms in SLOTS)
FIELDS = (  # of a finding
    *("pathology", "birads", "tissue", "shape", "orientation", "margin"),
    *("echo_pattern", "posterior", "halo", "calcification"),
)
MAX_WORDS, MAX_CHARACTERS = 128, 2000  # words, numbers and punctuation marks; characters
_PIECE = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+|[.,;:+]")
_PREFIXES = r"\b(?:(hypo|hyper|iso|micro|intra|extra|bi|non|anti)[-\s]+|(an)-)"
_JOINED = re.compile(_PREFIXES + "(?=echo|lob|calc|rads|duct|les|par)")
_LETTERS = 16  # of a word's beginning that are looked at
_PAD, _BEGIN = 0, 1  # buckets


def slot_bounds() -> tuple[tuple[int, int], ...]:
    """Return the first column of each slot and the one after its last, in the order of `SLOTS`."""
    ends = list(accumulate(len(terms) for _, terms in SLOTS))
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def one_hot(stated: Stated) -> NDArray[np.float32]:
    """Return what is stated as probabilities (N_TERMS,), "unstated" where a field is not given.

    Parameters
    ----------
    stated
        Field of the finding -> term; a tuple of terms for `margin`, a bool for `halo`, None for
        not stated. A tuple of any other field's terms is an alternative with equal shares, and
        `birads` ``"4"`` is the alternative of its three subdivisions.

    Raises
    ------
    UserError
        For a field or a term that is not the lexicon's.
    """
    if unknown := set(stated) - set(FIELDS):
        raise UserError("a field must be one of a description's", sorted(unknown), str(FIELDS))
    row = np.zeros(N_TERMS, np.float32)
    for (name, terms), (start, _) in zip(SLOTS, slot_bounds(), strict=True):
        chosen = _chosen(name, stated)
        for term in chosen:
            if term not in terms:
                raise UserError(f"{name} must be one of the lexicon's terms", term, str(terms))
            row[start + terms.index(term)] = 1 / len(chosen)
    return row


def _chosen(name: str, stated: Stated) -> tuple[str, ...]:
    """Return the terms of one slot that `stated` leaves possible."""
    if name.startswith("margin_"):
        margin = _as_tuple(stated.get("margin"))
        if wrong := set(margin) - set(schema.MARGINS):
            raise UserError("margin must be the lexicon's", sorted(wrong), str(schema.MARGINS))
        return ("yes",) if name.removeprefix("margin_") in margin else (UNSTATED,)
    chosen = _as_tuple(stated.get(name))
    if name == "birads" and chosen == ("4",):
        return ("4a", "4b", "4c")
    return chosen or (UNSTATED,)


def _as_tuple(value: str | bool | Sequence[str] | None) -> tuple[str, ...]:
    """Return a field's value as terms."""
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    return (value,) if isinstance(value, str) else tuple(value)


def words_of(text: str) -> list[str]:
    """Return the words, numbers and marks of `text`, lower case; 0 to 9 stay, others are classes.

    Raises
    ------
    UserError
        If `text` has more than `MAX_CHARACTERS` characters or `MAX_WORDS` words and marks.
    """
    if len(text) > MAX_CHARACTERS:
        rule = f"text must have at most {MAX_CHARACTERS} characters"
        raise UserError(rule, len(text), "describe one lesion in a few sentences")
    joined = _JOINED.sub(r"\1\2", text.lower())  # hypo-echoic, micro lobulated, BI-RADS
    words = [_word(piece) for piece in _PIECE.findall(joined)]
    if len(words) > MAX_WORDS:
        rule = f"text must have at most {MAX_WORDS} words and marks"
        raise UserError(rule, len(words), "describe one lesion in a few sentences")
    return words


def _word(piece: str) -> str:
    """Return a piece as it is, or the class of its number."""
    if not piece[0].isdigit() or len(piece) == 1:
        return piece
    return "0number" if piece.isdigit() else "0decimal"


@lru_cache(maxsize=50_000)
def _buckets(word: str, n_words: int, n_grams: int) -> tuple[int, ...]:
    """Return the bucket of a word among `n_words`, then those of its 3- to 5-grams."""
    marked = f"<{word[:_LETTERS]}>"
    grams = [marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)]
    whole = 2 + zlib.crc32(word.encode()) % (n_words - 2)
    return (whole, *(1 + zlib.crc32(gram.encode()) % (n_grams - 1) for gram in grams))


def _positions(length: int, width: int, like: Tensor) -> Tensor:
    """Return sinusoidal position embeddings (length, width) (Vaswani 2017, arXiv 1706.03762)."""
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-6.0 / width))
    angles = torch.arange(length, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1).to(like.dtype)


class TextEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Reads texts into probabilities (N, N_TERMS): a softmax within every slot of `SLOTS`.

    Parameters
    ----------
    width, layers, heads
        Shape of the transformer that reads the words, after two convolutions over neighbours.
    n_words, n_grams
        Buckets for whole words and for their 3- to 5-grams.
    forget
        Share of whole words that training hides, so that letters alone must do.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        width: int = 128,
        layers: int = 1,
        heads: int = 4,
        n_words: int = 2048,
        n_grams: int = 6144,
        forget: float = 0.3,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(n_words, width, padding_idx=_PAD)
        self.grams = nn.EmbeddingBag(n_grams, width, mode="mean", padding_idx=_PAD)
        self.norm = nn.LayerNorm(width)
        self.near = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(2))
        layer = nn.TransformerEncoderLayer(
            width, heads, width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.reader = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.queries = nn.Parameter(torch.randn(len(SLOTS), width) * 0.5)
        self.look = nn.MultiheadAttention(width, heads, batch_first=True)
        self.out_norm = nn.LayerNorm(width)
        self.terms = nn.Parameter(torch.randn(N_TERMS, width) * 0.05)
        self.bias = nn.Parameter(torch.zeros(N_TERMS))
        slots = [i for i, (_, terms) in enumerate(SLOTS) for _ in terms]
        self._slots = slots  # the slot of each column

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return buckets (N, L, G), int64: per word its own, then its letters'; 0 is padding.

        Raises
        ------
        UserError
            For a text that is too long.
        """
        n_words, n_grams = self.config.n_words, self.config.n_grams
        rows = [[_buckets(w, n_words, n_grams) for w in words_of(text)] for text in texts]
        length = 1 + max((len(row) for row in rows), default=0)
        depth = max((len(word) for row in rows for word in row), default=2)
        ids = np.zeros((len(rows), length, depth), np.int64)
        ids[:, 0, 0] = _BEGIN
        for i, row in enumerate(rows):
            for j, word in enumerate(row, 1):
                ids[i, j, : len(word)] = word
        return torch.from_numpy(ids)

    def forward(self, ids: Tensor) -> Tensor:
        """Return probabilities (N, N_TERMS) of buckets (N, L, G); each slot sums to one."""
        logits = self.logits(ids)
        return torch.cat([logits[:, a:b].softmax(1) for a, b in slot_bounds()], 1)

    def logits(self, ids: Tensor) -> Tensor:
        """Return logits (N, N_TERMS) of buckets (N, L, G)."""
        whole, letters = ids[..., 0], ids[..., 1:]
        known = self.words(whole)
        if self.training:
            known = known * (torch.rand_like(known[..., :1]) >= self.config.forget)
        bags = self.grams(letters.flatten(0, 1)).view_as(known)
        empty = whole == _PAD
        states = self.norm(known + bags)
        for near in self.near:  # what is denied stands beside its denial
            states = states.masked_fill(empty[..., None], 0)
            states = states + functional.gelu(near(states.mT)).mT
        states = states + _positions(ids.shape[1], known.shape[2], known)
        states = self.reader(states, src_key_padding_mask=empty)
        queries = self.queries.expand(len(ids), -1, -1)
        seen, _ = self.look(queries, states, states, key_padding_mask=empty, need_weights=False)
        found = self.out_norm(seen)[:, self._slots]
        logits: Tensor = (found * self.terms).sum(2) + self.bias
        return logits

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return probabilities (N, N_TERMS) of texts, without gradients."""
        with torch.inference_mode():
            probabilities: Tensor = self(self.tokenize(texts).to(self.device))
        return probabilities
