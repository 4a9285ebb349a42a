"""Tokenizers: text to numbers and back, in any script; the whole state as JSON; words and pairs as by hand."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.data import text as module
from pellucid.data.text import END, PAD, START, UNKNOWN
from pellucid.errors import DataError, UsageError

pytest.importorskip("tokenizers")
LINES = ["The quick brown fox.", "The slow fox\tsleeps — 3 times!\n", "Ünïcödé <pad> 🦊🦊", "狐狸跑得很快。"]
LETTERS = pl.Tokenizer.learn(LINES)
PAIRS = pl.Tokenizer.learn(LINES * 3, kind="byte_pair", vocabulary=300)


def words(*texts: str, **how: object) -> pl.Tokenizer:
    return pl.Tokenizer.learn(texts, kind="word", **how)  # pyright: ignore[reportArgumentType]


@given(st.text(alphabet=sorted(set("".join(LINES)))))
def test_characters_come_back(text: str) -> None:
    ids = LETTERS.encode(text)
    assert ids.dtype == np.int32
    assert len(ids) == len(text)
    assert LETTERS.decode(ids) == text


@given(st.text())
def test_pairs_of_bytes_bring_back_any_text(text: str) -> None:
    assert PAIRS.decode(PAIRS.encode(text)) == text


@given(st.lists(st.sampled_from(["a", "b", "ß", "鸟", " ", "\n", "\n\n", " \n", "\r\n", "don't", "1,5"]), max_size=30))
@settings(deadline=None)
def test_a_text_in_pieces_is_encoded_as_the_whole(parts: list[str]) -> None:
    text = "".join(parts)
    for kind in ("character", "word", "byte_pair"):
        tokenizer = pl.Tokenizer.learn([text + "x"], kind=kind)
        whole = tokenizer._library.encode(text).ids
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PIECE", 2)
            assert tokenizer.encode(text).tolist() == whole


def test_special_numbers() -> None:
    assert (PAD, UNKNOWN, START, END) == (0, 1, 2, 3)
    for tokenizer in (LETTERS, PAIRS, words("a b")):
        assert tokenizer.tokens[:4] == ("<pad>", "<unknown>", "<start>", "<end>")
        # What a text says is never taken for a special number.
        assert not {PAD, START, END} & set(tokenizer.encode("<pad><start><end>").tolist())
    assert LETTERS.encode("€").tolist() == [UNKNOWN]
    assert LETTERS.decode([START, *LETTERS.encode("fox"), UNKNOWN, END, PAD, PAD]) == "fox�"
    assert PAIRS.decode([START, *PAIRS.encode("fox"), END, PAD]) == "fox"
    assert words("a b").decode([START, 4, UNKNOWN, 5, END]) == "a � b"


def test_words_by_hand() -> None:
    tokenizer = words("Don't stop, don't  wait… it's 3.5€ rock-n-roll")
    found = tokenizer.decode(tokenizer.encode("Don't stop, don't  wait… it's 3.5€ rock-n-roll"))
    assert found == "Don't stop , don't wait … it's 3 . 5 € rock - n - roll"
    assert words("a a a b b c").tokens[4:] == ("a", "b", "c")
    assert words("a a a b b c", vocabulary=6).tokens[4:] == ("a", "b")
    assert words("a a a b b c", min_frequency=2).tokens[4:] == ("a", "b")
    assert words("c b a a").tokens[4:] == ("a", "b", "c")  # equally frequent ones by the alphabet
    assert words("The the THE", lowercase=True).tokens[4:] == ("the",)


def test_scripts_without_spaces_are_split_by_characters() -> None:
    tokenizer = words("我喜欢NLP和音楽。", "カタカナ ひらがな", "สวัสดี", "한국어 단어")
    assert tokenizer.decode(tokenizer.encode("我喜欢NLP和音楽。")).split() == [*"我喜欢", "NLP", *"和音楽。"]
    assert tokenizer.decode(tokenizer.encode("カタ ひら")).split() == [*"カタひら"]
    assert len(tokenizer.encode("สวัสดี")) == len("สวัสดี")
    assert tokenizer.decode(tokenizer.encode("한국어 단어")).split() == ["한국어", "단어"]


def test_pairs_by_hand() -> None:
    """Sennrich's example: the commonest neighbours are joined first; here "a" and "b" (6 times), then "ab" and "c"."""
    tokenizer = pl.Tokenizer.learn(["abc abc abc ab ab ab"], kind="byte_pair", vocabulary=262)
    assert tokenizer.size == 262
    assert tokenizer.merges == (("a", "b"), ("Ġ", "ab"))
    assert len(tokenizer.encode("abc")) == 2
    assert len(tokenizer.encode(" abab")) == 2


@pytest.mark.parametrize("kind", ["character", "word", "byte_pair"])
def test_the_whole_state_is_json(kind: str) -> None:
    tokenizer = pl.Tokenizer.learn(LINES, kind=kind, vocabulary=280, lowercase=True)  # pyright: ignore
    again = pl.Tokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert again == tokenizer
    text = "The FOX 狐狸 sleeps"
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    assert pl.Tokenizer.learn(iter(LINES), kind=kind, vocabulary=280, lowercase=True) == tokenizer  # pyright: ignore


def test_a_batch_is_text_after_text() -> None:
    texts = ["fox", "", "quick fox"] * 400
    for tokenizer in (LETTERS, PAIRS, words("fox quick")):
        found = list(tokenizer.encode_batch(iter(texts)))
        assert [ids.tolist() for ids in found] == [tokenizer.encode(text).tolist() for text in texts]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"kind": "letters"}, "character, word, byte_pair"),
        ({"kind": "byte_pair", "vocabulary": 100}, "vocabulary=100: a whole number, 260 or more"),
        ({"vocabulary": 4}, "vocabulary=4: a whole number, 5 or more"),
        ({"min_frequency": 0}, "min_frequency=0"),
        ({"lowercase": 1}, "lowercase=1"),
    ],
    ids=["kind", "byte_pair", "vocabulary", "min_frequency", "lowercase"],
)
def test_bad_arguments(how: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pl.Tokenizer.learn(["abc"], **how)  # pyright: ignore


def test_bad_texts_and_numbers() -> None:
    with pytest.raises(DataError, match="takes texts, not float"):
        LETTERS.encode(float("nan"))  # pyright: ignore
    with pytest.raises(DataError, match="half a character"):
        LETTERS.encode("a\ud800")
    with pytest.raises(UsageError, match="the tokens are 0 to"):
        LETTERS.decode([LETTERS.size])
    with pytest.raises(UsageError, match="whole numbers"):
        LETTERS.decode(np.zeros((2, 2), int))
    assert LETTERS.decode([]) == LETTERS.decode(LETTERS.encode("")) == ""


@pytest.mark.parametrize("broken", [{}, {"kind": "letters"}, {"tokens": ["a"]}, {"merges": [["a"]]}], ids=str)
def test_broken_json(broken: dict[str, object]) -> None:
    plain = {**LETTERS.to_json(), **broken} if broken else {}
    with pytest.raises(DataError, match="tokenizer's"):
        pl.Tokenizer.from_json(plain)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r"pellucid\[text\]"):
        pl.Tokenizer.learn(["abc"])
