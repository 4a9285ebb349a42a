"""A column of sentences: the numbers of their words, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.sequences import pad_sequences
from pellucid.data.tables.category_name import CategoryName
from pellucid.data.tables.cells import Flags, read_labels
from pellucid.data.tables.plain import Plain
from pellucid.data.text import PAD, Ids, Tokenizer

MOST_WORDS = 20_000
LONGEST = 128
"""Words of a text that are read at most."""
SHARE = 95
"""Of 100 training rows, so many are read to their end."""
MOST_LETTERS = 200_000_000
"""Letters of training rows that the words are learned from at most; of what comes after, only the sampled rows."""


@dataclass(frozen=True)
class Words(Plain):
    """The numbers of the first `length` words, 0 after a text's end, 1 for a word that training had not."""

    kind: ClassVar[str] = "text"
    name: str
    length: int
    tokens: tuple[str, ...]
    """The word of each number; the first four are special."""
    missing: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> int:
        """How many different numbers there are."""
        return len(self.tokens)

    @property
    def width(self) -> int:
        """How many numbers a cell becomes."""
        return self.length

    @property
    def feature_names(self) -> list[str]:
        """What to call each of them; each knows the words that its numbers stand for."""
        meanings = ("no word", "unknown word", *self.tokens[2:])
        return [CategoryName(f"{self.name} word {i + 1}", meanings) for i in range(self.length)]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What makes numbers of words: lower case, punctuation marks as words of their own."""
        return Tokenizer("word", self.tokens, lowercase=True)

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """The cells as float32, shape (n, length); a missing cell is a text without words."""
        rows = list(_numbers(self.tokenizer, read_labels(cells, self.missing)))
        return pad_sequences(rows, self.length, "float32", padding="post", truncating="post", value=PAD)

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        return (
            f"{self.name}: text, the first {self.length} words as numbers of {self.vocabulary:,} (0: no word, 1: rare "
            "or never seen), in lower case."
        )


class WordsLearner:
    """Keeps the texts of the training rows, and learns their words at the end."""

    def __init__(self, name: str, missing: tuple[str, ...]) -> None:
        self._name, self._missing = name, missing
        self._texts: list[pl.Series] = []
        self._letters = 0

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Takes in cells of training rows."""
        texts = read_labels(cells, self._missing)
        if self._letters > MOST_LETTERS:
            texts = texts.filter(pl.Series(sampled))
        self._texts.append(texts)
        self._letters += int(texts.str.len_chars().sum())

    def column(self) -> Words:
        """Words met once in 100 rows or more are unknown: one row teaches nothing of a word."""
        floor = 2 if sum(map(len, self._texts)) >= 100 else 1
        texts = (text or "" for series in self._texts for text in series)
        tokenizer = Tokenizer.learn(texts, "word", vocabulary=MOST_WORDS, lowercase=True, min_frequency=floor)
        lengths = [len(ids) for series in self._texts for ids in _numbers(tokenizer, series)]
        length = int(np.ceil(np.percentile(lengths or [1], SHARE)))
        return Words(self._name, min(max(length, 1), LONGEST), tokenizer.tokens, self._missing)


def can_read() -> bool:
    """Whether the library that makes words of text is installed."""
    return find_spec("tokenizers") is not None


def _numbers(tokenizer: Tokenizer, texts: pl.Series) -> Iterator[Ids]:
    return tokenizer.encode_batch(text or "" for text in texts)
