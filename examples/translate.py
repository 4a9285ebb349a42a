"""Translation: a Transformer from English to Spanish, on short verses of the Bible, King James and Reina-Valera.

    python examples/translate.py [--quick]

The verses are cut into words in lower case, without marks, and these into pieces that are often met (byte pairs). It
learns from the verses of up to 40 pieces a side, and is tested on verses of up to 15 words that are held out; those
whose English is met in training are no test and are left out. What it has to beat is a dictionary learned from the very
same verses, IBM model 1, which puts for each English word the Spanish word that it most likely became. Measured is
BLEU: the share of runs of one to four words that stand in the Spanish verse too. At the end one piece of a translation
is explained: which pieces of the English verse pushed it.

Source: Vaswani et al. (2017), arXiv:1706.03762; of the dictionary, Brown et al. (1993), aclanthology.org/J93-2003; of
the pieces, Sennrich et al. (2016), arXiv:1508.07909; of the optimizer, Jordan et al. (2024),
kellerjordan.github.io/posts/muon.
"""

import argparse
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import fetch
import numpy as np
from writing import SMALL, explained, written

import pellucid as pl

LENGTH, WORDS = 40, 15
"""How long a verse is at most: in training in pieces, in the test in words."""
TEST = 500
PIECES = 2_000
Pair = tuple[str, str]


class Transformer(pl.Model):
    """{"source": (n, s), "target_in": (n, t)}, numbers of tokens, to what comes next at each step, (n, t, write).

    read, write: how many tokens there are on each side; source, target: how long they are at most. The encoder looks at
    the whole source; the decoder back at what is written, and across at what the encoder made of the source.
    """

    def __init__(
        self,
        read: int,
        write: int,
        source: int,
        target: int,
        width: int = 128,
        encoders: int = 3,
        decoders: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        spread = pl.RandomNormal(stddev=width**-0.5)
        self.read = pl.Embedding(read, width, spread, mask_zero=True, name="read")
        self.read_place = pl.PositionEmbedding(source, spread, name="read_place")
        self.write = pl.Embedding(write, width, spread, name="write")
        self.write_place = pl.PositionEmbedding(target, spread, name="write_place")
        self.drop = pl.Dropout(dropout)
        block: dict[str, Any] = {"num_heads": 4, "dropout": dropout, "normalize_first": True}
        self.encoders = [pl.TransformerEncoder(2 * width, **block) for _ in range(encoders)]
        self.decoders = [pl.TransformerDecoder(2 * width, **block) for _ in range(decoders)]
        self.read_norm, self.write_norm = pl.LayerNormalization(), pl.LayerNormalization()
        self.out = pl.Dense(write, name="out")

    def __call__(self, x):
        read = self.drop(self.read_place(self.read(x["source"])))
        for encoder in self.encoders:
            read = encoder(read)
        read = self.read_norm(read)
        written = self.drop(self.write_place(self.write(x["target_in"])))
        for decoder in self.decoders:
            written = decoder(written, read)
        return self.out(self.write_norm(written))


def plain(verse: str) -> str:
    """A verse as words in lower case with a space between them.

    >>> plain("EN el principio crió Dios los cielos.")
    'en el principio crió dios los cielos'
    """
    return " ".join(re.findall(r"\w+(?:['’]\w+)*", verse.lower()))


def split(verses: Sequence[Pair], test: int = TEST) -> tuple[list[Pair], list[Pair]]:
    """(to learn from, held out), in plain words; none of those held out, which are short, has its English in both."""
    pairs = [(plain(english), plain(spanish)) for english, spanish in verses]
    order = np.random.default_rng(0).permutation(len(pairs))
    short = [i for i in order if max(len(side.split()) for side in pairs[i]) <= WORDS]
    held = set(short[:test])
    learned = [pairs[i] for i in order if i not in held]
    known = {english for english, _ in learned}
    return learned, [pairs[i] for i in short[:test] if pairs[i][0] not in known]


def dictionary(pairs: Sequence[Pair], rounds: int = 8) -> dict[str, str]:
    """For each English word the Spanish one that it most likely became: IBM model 1.

    t(s | e), the chance that e becomes s, begins equal for all. Each round, each Spanish word of a verse is shared out
    among the English words of it in proportion to t, and t is counted anew from all shares.
    """
    english = pl.Tokenizer.learn([e for e, _ in pairs], "word")
    spanish = pl.Tokenizer.learn([s for _, s in pairs], "word")
    meetings, places, place = [], [], 0
    for e, s in pairs:
        sources, targets = english.encode(e).astype("int64"), spanish.encode(s).astype("int64")
        meetings.append((sources[:, None] * spanish.size + targets).ravel())
        places.append(np.tile(place + np.arange(len(targets)), len(sources)))
        place += len(targets)
    where = np.concatenate(places)
    keys, meeting = np.unique(np.concatenate(meetings), return_inverse=True)
    source = keys // spanish.size
    t = np.ones(len(keys))
    for _ in range(rounds):
        share = t[meeting] / np.bincount(where, t[meeting])[where]
        t = np.bincount(meeting, share)
        t /= np.bincount(source, t)[source]
    best = keys[np.lexsort((t, source))]  # of each source the likeliest last
    return {english.tokens[key // spanish.size]: spanish.tokens[key % spanish.size] for key in best}


class Verses(NamedTuple):
    """The verses that are short enough, as texts and as numbers of pieces, and the tokenizers of both languages."""

    pairs: list[Pair]
    english: pl.Tokenizer
    spanish: pl.Tokenizer
    x: dict[str, Any]
    y: Any


def numbered(pairs: Sequence[Pair], pieces: int = PIECES) -> Verses:
    """The pieces are learned from all verses; those of more than LENGTH pieces, or LENGTH - 1 and an end, are left."""
    sides = list(zip(*pairs, strict=True))
    english, spanish = (pl.Tokenizer.learn(side, "byte_pair", vocabulary=pieces) for side in sides)
    sizes = [[len(ids) for ids in t.encode_batch(side)] for t, side in zip((english, spanish), sides, strict=True)]
    kept = [pair for pair, e, s in zip(pairs, *sizes, strict=True) if e <= LENGTH and s < LENGTH]
    x, y = pl.sequence_pairs([e for e, _ in kept], [s for _, s in kept], (english, spanish))
    return Verses(kept, english, spanish, x, y)


def trained(data: Verses, epochs: int = 7, batch_size: int = 32, **size: int) -> tuple[Transformer, pl.Run]:
    """The network, of the usual size or another, after its training; and the run.

    Muon learns in half the steps that Adam needs here.
    """
    size = {"encoders": 2, "decoders": 2} | size
    model = Transformer(data.english.size, data.spanish.size, LENGTH, LENGTH, dropout=0.1, **size)
    steps = epochs * -(-len(data.y) // batch_size)
    rate = pl.CosineDecay(5e-4, steps, warmup_target=0.01, warmup_steps=steps // 20)
    optimizer = pl.Muon(rate, weight_decay=0.0, adam_lr_ratio=0.3, exclude_layers=["^out"])
    loss = pl.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(optimizer, loss, [pl.Accuracy(ignore_class=0)])
    run = model.fit(data.x, data.y, batch_size=batch_size, epochs=epochs, validation_split=0.03, record=False)
    return model, run


def main(arguments: Sequence[str] | None = None) -> pl.Attribution:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="1 epoch on a few hundred verses, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    pairs, test = split(fetch.verses())
    if quick:
        pairs, test = pairs[:2000], test[:20]
    data = numbered(pairs)
    print(f"{len(data.pairs):,} verses to learn from, {len(test):,} held out")
    table = dictionary(data.pairs)
    right = [spanish for _, spanish in test]
    by_word = [" ".join(table.get(word, word) for word in english.split()) for english, _ in test]
    model, run = trained(data, **SMALL) if quick else trained(data)
    run.show()
    ids = list(data.english.encode_batch([english for english, _ in test]))
    source = pl.pad_sequences(ids, data.x["source"].shape[1], padding="post", truncating="post")
    tokens = written(model, source, LENGTH, beams=4)
    told = [data.spanish.decode(row) for row in tokens]
    took = time.perf_counter() - started
    print(
        f"\nBLEU on {len(test):,} unseen verses {100 * pl.bleu(right, told):.1f}, to beat "
        f"{100 * pl.bleu(right, by_word):.1f} (word by word); {took:.0f} s in all"
    )
    names = ("english", "spanish", "by word", "network")
    for lines in list(zip([english for english, _ in test], right, by_word, told, strict=True))[:5]:
        print("", *(f"{name}  {line}" for name, line in zip(names, lines, strict=True)), sep="\n  ")
    print(f"\nThe first of these, {told[0]!r}:")
    return explained(model, source[:1], tokens[0], data.english, data.spanish)


if __name__ == "__main__":
    main()
