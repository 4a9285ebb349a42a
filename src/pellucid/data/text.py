"""Text as numbers: characters, words, or pieces of words that are often met, each with a number of its own."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pellucid.arguments import whole
from pellucid.errors import DataError, UsageError

Kind = Literal["character", "word", "byte_pair"]
Ids = NDArray[np.int32]

SPECIAL = ("<pad>", "<unknown>", "<start>", "<end>")
PAD, UNKNOWN, START, END = range(4)
LARGEST = {"character": 20_000, "word": 20_000, "byte_pair": 4_000}
"""How many numbers a tokenizer learns at most where nobody says."""

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that put no space between words: each of their characters counts as one."""
WORD = rf"[{UNSPACED}]|[\w&&[^{UNSPACED}]]+(?:['’][\w&&[^{UNSPACED}]]+)*|[^\w\s]"
CHARACTER = r"[\s\S]"
PIECE = 50_000
CUT = re.compile(r"(?<=\S)\n(?=\S)")
"""Where a long text can be cut for words and pairs of bytes: no token goes across it, and none looks beyond it."""


@dataclass(frozen=True)
class Tokenizer:
    """Text to numbers below `size` and back: 0 pads, 1 is unknown, 2 starts, 3 ends; tokens from 4 on.

    kind "character": each code point. "word": words and single marks, split at spaces; Chinese, Japanese, Thai and the
    like, which have none, by characters. "byte_pair": what is often met together, down to single bytes, so that
    nothing is unknown (Sennrich et al. 2016, arXiv:1508.07909).

    >>> words = Tokenizer.learn(["A bird sings.", "A bird flies, a 鸟 sings!"], kind="word", lowercase=True)
    >>> words.encode("A bird swims").tolist(), words.decode(words.encode("a 鸟 sings"))
    ([4, 5, 1], 'a 鸟 sings')
    >>> letters = Tokenizer.learn(["to be or not"], kind="character")
    >>> letters.size, letters.decode(letters.encode("not to be"))
    (11, 'not to be')
    >>> Tokenizer.from_json(letters.to_json()) == letters
    True
    """

    kind: Kind
    tokens: tuple[str, ...] = field(repr=False)
    """The text of each number; of byte_pair in the 256 signs that stand for bytes."""
    merges: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """For byte_pair: which two tokens become one, in the order in which it is done."""
    lowercase: bool = False

    @classmethod
    def learn(
        cls,
        texts: str | Iterable[str],
        kind: Kind = "character",
        *,
        vocabulary: int | None = None,
        lowercase: bool = False,
        min_frequency: int = 1,
    ) -> Tokenizer:
        """The tokenizer of some texts, which are gone through once; or of one long text.

        vocabulary: how many numbers there are at most, the four special ones counted; the most frequent are kept.
        Of byte_pair at least 260. min_frequency: how often a token (of byte_pair: a pair) has to be met.
        Raises UsageError for arguments out of range, DataError for something that is no text.
        """
        _check(kind, lowercase)
        most = LARGEST[kind] if vocabulary is None else vocabulary
        least = len(SPECIAL) + (256 if kind == "byte_pair" else 1)
        whole("vocabulary", most, least)
        whole("min_frequency", min_frequency)
        learning = cls(kind, SPECIAL, lowercase=lowercase)
        given = [texts] if isinstance(texts, str) else texts
        pieces = (piece for text in given for piece in learning._pieces(text))
        library = learning._library
        library.train_from_iterator(pieces, _trainer(kind, most, min_frequency))
        model = json.loads(library.to_str())["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
        return cls(kind, tuple(tokens), tuple((a, b) for a, b in model.get("merges", ())), lowercase)

    @property
    def size(self) -> int:
        """How many numbers there are, the four special ones counted: what an Embedding takes as input_dim."""
        return len(self.tokens)

    def encode(self, text: str) -> Ids:
        """The numbers of a text, int32 (t,); what is not known is 1. Raises DataError for something that is no text."""
        return next(self.encode_batch([text]))

    def encode_batch(self, texts: Iterable[str]) -> Iterator[Ids]:
        """The numbers of each text in turn, some hundred texts at a time."""
        for batch in _batched(texts, 500):
            pieces = [self._pieces(text) for text in batch]
            found = iter(self._library.encode_batch_fast(list(itertools.chain(*pieces)), add_special_tokens=False))
            for mine in pieces:
                ids = [np.asarray(next(found).ids, np.int32) for _ in mine]
                yield np.concatenate(ids) if ids else np.zeros(0, np.int32)

    def decode(self, ids: Iterable[int] | NDArray[Any]) -> str:
        """The text of some numbers, pad, start and end left out; unknown ones as "\N{REPLACEMENT CHARACTER}".

        Characters and pairs of bytes give back the very text (lower case, if so learned); words come with one space
        between them. Raises UsageError for numbers that are no token's.
        """
        wanted = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
        if wanted.size and (wanted.ndim != 1 or wanted.dtype.kind not in "iu"):
            raise UsageError(f"ids: expected whole numbers, (t,), found {wanted.dtype} of shape {wanted.shape}")
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self.size:
            raise UsageError(f"ids go from {wanted.min()} to {wanted.max()}; the tokens are 0 to {self.size - 1}")
        kept = [int(i) for i in wanted if i not in (PAD, START, END)]
        if self.kind == "byte_pair":
            return str(self._library.decode([i for i in kept if i != UNKNOWN], skip_special_tokens=False))
        shown = ("\N{REPLACEMENT CHARACTER}" if i == UNKNOWN else self.tokens[i] for i in kept)
        return (" " if self.kind == "word" else "").join(shown)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values; `from_json` gives back an equal one."""
        merges = [list(pair) for pair in self.merges]
        return {"kind": self.kind, "lowercase": self.lowercase, "tokens": list(self.tokens), "merges": merges}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer that `to_json` wrote. Raises DataError where it is not whole."""
        try:
            tokens = tuple(str(token) for token in plain["tokens"])
            merges = tuple((str(a), str(b)) for a, b in plain["merges"])
            made = cls(plain["kind"], tokens, merges, plain["lowercase"])
            _check(made.kind, made.lowercase)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"A tokenizer's JSON is not whole: {error!r}.") from error
        if made.tokens[: len(SPECIAL)] != SPECIAL or len(set(tokens)) != len(tokens):
            raise DataError(f"A tokenizer's tokens are different ones, and begin with {', '.join(SPECIAL)}.")
        return made

    def _pieces(self, text: Any) -> list[str]:
        """A text in pieces that are encoded one by one to what the whole is, for long texts take much memory."""
        if not isinstance(text, str):
            raise DataError(f"A tokenizer takes texts, not {type(text).__name__} ({str(text)[:30]!r}).")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"A text holds half a character ({text[error.start]!r} at {error.start}).") from error
        if self.kind == "character":
            return [text[first : first + PIECE] for first in range(0, len(text), PIECE)]
        pieces: list[str] = []
        first = 0
        while cut := CUT.search(text, first + PIECE):
            pieces.append(text[first : cut.end()])
            first = cut.end()
        return [*pieces, text[first:]]

    @cached_property
    def _library(self) -> Any:
        """The same as an object of the tokenizers library, without tokens that it would look for in the text."""
        tokenizers = _tokenizers()
        numbers = {token: i for i, token in enumerate(self.tokens)}
        if self.kind == "byte_pair":
            made = tokenizers.Tokenizer(tokenizers.models.BPE(numbers, list(self.merges)))
            made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder = tokenizers.decoders.ByteLevel()
        else:
            made = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, SPECIAL[UNKNOWN]))
            pattern = tokenizers.Regex(WORD if self.kind == "word" else CHARACTER)
            made.pre_tokenizer = tokenizers.pre_tokenizers.Split(pattern, "removed", invert=True)
        if self.lowercase:
            made.normalizer = tokenizers.normalizers.Lowercase()
        return made


def _trainer(kind: Kind, vocabulary: int, min_frequency: int) -> Any:
    tokenizers = _tokenizers()
    options = {
        "vocab_size": vocabulary,
        "min_frequency": min_frequency,
        "special_tokens": list(SPECIAL),
        "show_progress": False,
    }
    if kind == "byte_pair":
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        return tokenizers.trainers.BpeTrainer(initial_alphabet=alphabet, **options)
    return tokenizers.trainers.WordLevelTrainer(**options)


def _batched(texts: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """itertools.batched, which Python 3.11 lacks."""
    waiting = iter(texts)
    while batch := tuple(itertools.islice(waiting, size)):
        yield batch


def _check(kind: Any, lowercase: Any) -> None:
    if kind not in get_args(Kind):
        raise UsageError(f"kind={kind!r}: tokens are {', '.join(get_args(Kind))}")
    if not isinstance(lowercase, bool):
        raise UsageError(f"lowercase={lowercase!r}: True or False")


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise UsageError('tokens are made by the tokenizers library: pip install "pellucid[text]"') from error
    return tokenizers
