"""Phonemes: from the letters of a word to how it sounds. A small Transformer on the CMU dictionary, 135,166 entries.

    python examples/phonemes.py [--quick]

The encoder reads the letters; the decoder writes one phoneme after the other, each time looking back at what it wrote
and across at the letters. Left out are second pronunciations, words with marks other than an apostrophe (as "a.m."),
and those of more than 12 letters or 11 phonemes; the stress of vowels is left out too, as in published comparisons. No
word of the test is met in training. At the end one phoneme of one word is explained: which letters pushed it.

Source: Yolchuyeva et al. (2019), Transformer based grapheme-to-phoneme conversion, doi:10.21437/Interspeech.2019-1954.
"""

import argparse
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import fetch
import numpy as np
from transformer import SMALL, Transformer, explained, some, written

import pellucid as pl

LETTERS, PHONEMES = 12, 11
TEST = 3_000
TO_BEAT = "75 % or 8 %"


class Dictionary(NamedTuple):
    """Words and their phonemes, as texts and as numbers."""

    words: list[str]
    spoken: list[str]
    letters: pl.Tokenizer
    phonemes: pl.Tokenizer
    x: dict[str, Any]
    y: Any


def dictionary(entries: Sequence[tuple[str, Sequence[str]]]) -> Dictionary:
    """The entries that are kept, phonemes without stress: "chat" to "CH AE T"."""
    kept = [(word, sounds) for word, sounds in entries if re.fullmatch("[a-z']+", word)]
    kept = [(word, sounds) for word, sounds in kept if len(word) <= LETTERS and len(sounds) <= PHONEMES]
    words = [word for word, _ in kept]
    spoken = [re.sub(r"\d", "", " ".join(sounds)) for _, sounds in kept]
    letters, phonemes = pl.Tokenizer.learn(words, "character"), pl.Tokenizer.learn(spoken, "word")
    pairs = pl.sequence_pairs(words, spoken, (letters, phonemes))
    return Dictionary(words, spoken, letters, phonemes, pairs.x, pairs.y)


def trained(data: Dictionary, rows: Any, epochs: int = 4, batch_size: int = 64, **size: int) -> Transformer:
    """The network, of the usual size or another, after its training on these rows."""
    model = Transformer(data.letters.size, data.phonemes.size, LETTERS, PHONEMES + 1, **size)
    rate = pl.CosineDecay(1.5e-3, epochs * -(-len(rows) // batch_size))
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
    right = [data.spoken[i] for i in test]
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
