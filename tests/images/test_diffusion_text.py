"""The text encoder: its words, its slots, its file, its training; the wordings held out from it."""

import pytest
import torch

from busgen.errors import UserError
from busgen.images.diffusion.text import (
    MAX_WORDS,
    N_TERMS,
    SLOTS,
    TextEncoder,
    one_hot,
    slot_bounds,
    words_of,
)
from busgen.images.diffusion.training.text import held_out, vocabulary
from busgen.images.diffusion.training.text.misspellings import misspelt
from busgen.images.diffusion.training.text.phrases import (
    SEEN,
    UNSEEN_SYNONYMS,
    UNSEEN_TEMPLATES,
    descriptors,
    draw_stated,
    sentences,
    write,
)
from busgen.images.diffusion.training.text.training import accuracy, train_text
from busgen.seeds import rng

REPORT = "Oval, hypoechoic mass; well-defined margins, no halo, 14 x 9.5 mm. BI-RADS 4A"


@pytest.fixture(scope="module")
def trained():
    return train_text(3, 30, batch=32)


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return TextEncoder().eval()


def test_words_are_lower_case_numbers_are_classes_and_a_hyphen_parts():
    assert words_of("Well-Defined, 4A 12 mm 1.5") == [
        *("well", "defined", ",", "4", "a", "0number", "mm", "0decimal")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BI-RADS 4a", ["birads", "4", "a"]),
        ("hypo-echoic, an-echoic", ["hypoechoic", ",", "anechoic"]),
        ("an echogenic rim", ["an", "echogenic", "rim"]),
        ("Non-parallel non-mass", ["nonparallel", "non", "mass"]),
    ],
)
def test_a_prefix_joins_its_word(text, words):
    assert words_of(text) == words


def test_the_same_text_has_the_same_buckets_everywhere(untrained):
    ids = untrained.tokenize(["oval", ""])
    assert ids[:, :, 0].tolist() == [[1, 1472], [1, 0]]
    assert torch.equal(untrained.tokenize(["OVAL"]), untrained.tokenize(["oval"]))


def test_every_slot_sums_to_one_whatever_else_is_in_the_batch(untrained):
    texts = [REPORT, "", "anechoic", "word " * 90]
    read = untrained.encode(texts)
    assert read.shape == (4, N_TERMS)
    for start, end in slot_bounds():
        torch.testing.assert_close(read[:, start:end].sum(1), torch.ones(4))
    torch.testing.assert_close(untrained.encode(texts[2:3]), read[2:3], atol=1e-5, rtol=1e-4)


def test_slots_cover_every_column_once_and_end_in_unstated():
    bounds = slot_bounds()
    assert [a for a, _ in bounds] == [0, *(b for _, b in bounds[:-1])]
    assert bounds[-1][1] == N_TERMS
    assert {terms[-1] for _, terms in SLOTS} == {"unstated"}


def test_what_is_stated_is_one_and_the_rest_is_unstated():
    row = one_hot(
        {"margin": ("indistinct", "angular"), "halo": False, "birads": "4", "shape": None}
    )
    said = {
        name: {t: float(v) for t, v in zip(terms, row[a:b], strict=True) if v}
        for (name, terms), (a, b) in zip(SLOTS, slot_bounds(), strict=True)
    }
    assert said.pop("birads") == pytest.approx({"4a": 1 / 3, "4b": 1 / 3, "4c": 1 / 3})
    assert said.pop("margin_indistinct") == said.pop("margin_angular") == {"yes": 1.0}
    assert said.pop("halo") == {"no": 1.0}
    assert all(rest == {"unstated": 1.0} for rest in said.values())


@pytest.mark.parametrize(
    "stated", [{"shape": "square"}, {"colour": "red"}, {"margin": ("sharp",)}, {"halo": "maybe"}]
)
def test_what_the_lexicon_does_not_know_is_an_error(stated):
    with pytest.raises(UserError, match="must be"):
        one_hot(stated)


@pytest.mark.parametrize("text", ["oval " * (MAX_WORDS + 1), "o" * 10_000])
def test_a_text_that_is_too_long_is_an_error(untrained, text):
    with pytest.raises(UserError, match="text must have at most"):
        untrained.encode([text])


def test_a_saved_encoder_reads_the_same(untrained, tmp_path):
    untrained.save_pretrained(tmp_path)
    again = TextEncoder.from_pretrained(tmp_path).eval()
    assert torch.equal(again.encode([REPORT]), untrained.encode([REPORT]))
    size = (tmp_path / "diffusion_pytorch_model.safetensors").stat().st_size
    assert size < 6e6


def test_training_is_decided_by_the_seed(trained):
    again, other = train_text(3, 2, batch=8), train_text(3, 2, batch=8)
    assert torch.equal(again.encode([REPORT]), other.encode([REPORT]))
    assert not torch.equal(again.encode([REPORT]), train_text(4, 2, batch=8).encode([REPORT]))


def test_a_short_training_learns_that_little_is_stated_and_something_is_read(trained, untrained):
    texts, truths = sentences(200, 9)
    goal = sum(accuracy(trained, texts, truths).values())
    assert goal > sum(accuracy(untrained, texts, truths).values()) + 2
    assert goal / len(SLOTS) > 0.7


def test_accuracy_counts_alternatives_as_true_and_asks_for_pairs(trained):
    shares = accuracy(trained, ["BI-RADS 4"], [{"birads": ("1", "2", "3", "4a", "4b", "4c", "5")}])
    assert shares["birads"] in {0.0, 1.0}
    assert set(shares) == {name for name, _ in SLOTS}
    with pytest.raises(UserError, match="as many"):
        accuracy(trained, ["oval"], [])


def test_steps_must_be_given():
    with pytest.raises(UserError, match="at least 1"):
        train_text(0, 0)


def test_sentences_depend_on_their_number_alone_and_state_known_terms():
    texts, truths = sentences(40, 5)
    assert sentences(10, 5) == (texts[:10], truths[:10])
    for grammar in (SEEN, UNSEEN_TEMPLATES, UNSEEN_SYNONYMS):
        many, stated = sentences(300, 2, grammar)
        assert all(len(words_of(text)) <= MAX_WORDS for text in many)
        assert all(one_hot(row).sum() == pytest.approx(len(SLOTS)) for row in stated)
    assert all("pathology" in row for row in truths if "normal" in row.values())


def test_nothing_held_out_is_learned_from():
    for name, terms in held_out.SYNONYMS.items():
        for term, phrases in terms.items():
            assert not set(phrases) & set(vocabulary.SYNONYMS[name][term]), (name, term)
        assert set(terms) == set(vocabulary.SYNONYMS[name])
    for name, clauses in held_out.CLAUSES.items():
        assert not set(clauses) & set(vocabulary.CLAUSES[name]), name
    for table in ("PRESENT", "ABSENT", "LEADS", "MASSES", "JOINERS"):
        assert not set(getattr(held_out, table)) & set(getattr(vocabulary, table)), table
    assert set(vocabulary.CLAUSES) == set(held_out.CLAUSES)


def test_every_synonym_stands_alone_with_its_term():
    found = dict(descriptors(vocabulary.SYNONYMS))
    assert found["bright rim"] == {"halo": True}
    assert found["no posterior features"] == {"posterior": "none"}
    assert found["spiky"] == {"margin": ("spiculated",)}
    for _, stated in held_out.PARAPHRASES:
        assert one_hot(stated).sum() == pytest.approx(len(SLOTS))


def test_slips_teach_no_word_that_is_held_out():
    held = {
        word.removeprefix("=")
        for terms in held_out.SYNONYMS.values()
        for p in terms.values()
        for word in p
    }
    slips = {misspelt("spicules angular benign ellipse", rng(k, "slips")) for k in range(3000)}
    assert len(slips) > 300
    assert not {word for slip in slips for word in slip.split()} & held


def test_writing_draws_from_the_generator_it_is_given():
    stated = draw_stated(rng(1, "s"))
    texts = {write(stated, rng(k, "w"), SEEN) for k in range(20)}
    assert len(texts) > 10
    assert write(stated, rng(3, "w"), SEEN) in texts
