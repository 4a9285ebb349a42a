"""Phonemes: from the letters of a word to how it sounds, on the CMU dictionary, 135,166 entries.

    python examples/phonemes.py [--quick]

The encoder reads the letters, each with its neighbours, by convolutions. The decoder writes one phoneme after the
other: convolutions over what it wrote, and attention across to the letters. Convolutions suit the task, for a phoneme
hangs on the letters around one place.

Left out are words with marks other than an apostrophe (as "a.m."), those of more than 12 letters or 11 phonemes, and
the stress of vowels, as in published comparisons. A word is learned with its first pronunciation; as there, of several
that the dictionary has, the one nearest to what is written counts. No word of the test is met in training. At the end
one phoneme of one word is explained: which letters pushed it.

Source: Gehring et al. (2017), arXiv:1705.03122; for phonemes, Yolchuyeva et al. (2019), doi:10.3390/app9061143.
"""

import argparse
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import fetch
import numpy as np
from writing import SMALL, explained, some, written

import pellucid as pl

LETTERS, PHONEMES = 12, 11
TEST = 3_000
TO_BEAT = "75 % or 8 %"


class Window(pl.Layer):
    """x (n, t, width) plus what a convolution makes of each step and its neighbours; with padding="causal" of those
    before."""

    width: int
    steps: int
    padding: str = "same"

    def __post_init__(self):
        self.norm, self.drop = pl.LayerNormalization(), pl.Dropout(0.1)
        self.convolution = pl.Conv1D(self.width, self.steps, padding=self.padding, activation="relu")

    def __call__(self, x):
        return x + self.drop(self.convolution(self.norm(x)))


class Look(pl.Layer):
    """x (n, t, width) plus what each step of it takes from read (n, s, width) by attention."""

    width: int

    def __post_init__(self):
        self.norm, self.attention = pl.LayerNormalization(), pl.MultiHeadAttention(4, self.width // 4)

    def __call__(self, x, read):
        return x + self.attention(self.norm(x), read)


class Speaker(pl.Model):
    """From letters (n, s) and the phonemes before (n, t) to the next phoneme, (n, t, phonemes)."""

    def __init__(self, letters: int, phonemes: int, width: int = 128, encoders: int = 5, decoders: int = 3):
        super().__init__()
        spread = pl.RandomNormal(stddev=width**-0.5)
        self.letter = pl.Embedding(letters, width, spread, mask_zero=True, name="letter")
        self.letter_place = pl.PositionEmbedding(LETTERS, spread, name="letter_place")
        self.phoneme = pl.Embedding(phonemes, width, spread, name="phoneme")
        self.phoneme_place = pl.PositionEmbedding(PHONEMES + 1, spread, name="phoneme_place")
        self.read = [Window(width, 5) for _ in range(encoders)]
        self.write = [Window(width, 3, "causal") for _ in range(decoders)]
        self.look = [Look(width) for _ in range(decoders)]
        self.read_norm, self.write_norm = pl.LayerNormalization(), pl.LayerNormalization()
        self.out = pl.Dense(phonemes, name="out")

    def __call__(self, x):
        read = self.letter_place(self.letter(x["source"]))
        for window in self.read:
            read = window(read)
        read = self.read_norm(read)
        written = self.phoneme_place(self.phoneme(x["target_in"]))
        for window, look in zip(self.write, self.look, strict=True):
            written = look(window(written), read)
        return self.out(self.write_norm(written))


class Dictionary(NamedTuple):
    """Words and their phonemes, as texts and as numbers."""

    words: list[str]
    spoken: list[list[str]]
    """Each pronunciation of a word, the first one first."""
    letters: pl.Tokenizer
    phonemes: pl.Tokenizer
    x: dict[str, Any]
    y: Any


def dictionary(entries: Sequence[tuple[str, Sequence[str]]]) -> Dictionary:
    """The words that are kept, phonemes without stress: "chat" to "CH AE T"; "read(2)" is "read" another way."""
    found: dict[str, list[str]] = {}
    for entry, sounds in entries:
        word = re.sub(r"\(\d+\)$", "", entry)
        if re.fullmatch("[a-z']+", word) and len(word) <= LETTERS and len(sounds) <= PHONEMES:
            found.setdefault(word, []).append(re.sub(r"\d", "", " ".join(sounds)))
    words, spoken = list(found), list(found.values())
    first = [ways[0] for ways in spoken]
    letters, phonemes = pl.Tokenizer.learn(words, "character"), pl.Tokenizer.learn(first, "word")
    pairs = pl.sequence_pairs(words, first, (letters, phonemes))
    return Dictionary(words, spoken, letters, phonemes, pairs.x, pairs.y)


def nearest(told: str, ways: Sequence[str]) -> str:
    """The pronunciation with the fewest phonemes to change."""
    return min(ways, key=lambda way: pl.edit_distance(told.split(), way.split()))


def trained(data: Dictionary, rows: Any, epochs: int = 8, batch_size: int = 32, **size: int) -> Speaker:
    """The network, of the usual size or another, after its training on these rows."""
    model = Speaker(data.letters.size, data.phonemes.size, **size)
    steps = epochs * -(-len(rows) // batch_size)
    rate = pl.CosineDecay(1e-4, steps, warmup_target=2e-3, warmup_steps=steps // 50)
    loss = pl.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(pl.Adam(rate), loss, [pl.Accuracy(ignore_class=0)])
    model.fit(some(data.x, rows), data.y[rows], batch_size=batch_size, epochs=epochs, record=False)
    return model


def main(arguments: Sequence[str] | None = None) -> pl.Attribution:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="1 epoch on 4,000 words, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    data = dictionary(fetch.cmudict())
    order = np.random.default_rng(0).permutation(len(data.words))
    test, rows = order[:TEST], order[TEST:]
    if quick:
        test, rows = test[:200], rows[:4_000]
    print(f"{len(data.words):,} words of the dictionary; {len(rows):,} to learn from, {len(test):,} held out")
    model = trained(data, rows, **SMALL) if quick else trained(data, rows)
    tokens = written(model, data.x["source"][test], PHONEMES + 1)
    told = [data.phonemes.decode(row) for row in tokens]
    right = [nearest(said, data.spoken[i]) for said, i in zip(told, test, strict=True)]
    whole = sum(a == b for a, b in zip(told, right, strict=True)) / len(test)
    took = time.perf_counter() - started
    print(
        f"of {len(test):,} unseen words {whole:.1%} are wholly right, phoneme error rate "
        f"{pl.word_error_rate(right, told):.2%}, to reach {TO_BEAT}; {took:.0f} s in all"
    )
    k = max(range(len(test)), key=lambda k: (told[k] == right[k], len(data.words[test[k]])))
    row = test[k : k + 1]
    print(f"\n{data.words[row[0]]} sounds {right[k]}; the network says {told[k]}.")
    return explained(model, data.x["source"][row], tokens[k], data.letters, data.phonemes)


if __name__ == "__main__":
    main()
