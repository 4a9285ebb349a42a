"""Reviews: from a sentence about a film to whether it is praise. 10,605 sentences that people scored from -4 to 4.

    python examples/reviews.py [--quick]

Two readers in one network. One takes a sentence as a bag of what it is made of: words, pairs of words, also with a word
between them, and pieces of words, so that "charmingly" has much in common with "charm"; each has one number that is
learned, and their mean counts. The other reads in order: a vector for each word, convolutions over one to three of
them, the strongest of each. Each has its own loss, and their answers are added up, the first counting double.

Both learn from the scores themselves, as chances between 0 and 1, which say more than their sign. What is measured is
the sign, on each fifth of the sentences in turn, drawn at random, after learning from the other four. At the end a
sentence is explained: what in it spoke for praise, and what against.

Source of the ideas: Bojanowski et al. (2017), doi:10.1162/tacl_a_00051, for the pieces; Kim (2014),
doi:10.3115/v1/D14-1181, for the convolutions; of the data: Hutto and Gilbert (2014), VADER, ICWSM.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import fetch
import numpy as np

import pellucid as pl

TO_BEAT = 0.787
"""A linear model on the same kind of split."""
EPOCHS = 8


class Readers(pl.Model):
    """{"bag": one number a sentence, "order": another}, praise above 0, from the numbers of its terms and words."""

    def __init__(self, terms: int, words: int):
        super().__init__()
        self.term = pl.Embedding(terms, 1, pl.RandomNormal(stddev=0.01), mask_zero=True, name="term")
        self.mean, self.strongest, self.join = pl.GlobalAveragePooling1D(), pl.GlobalMaxPooling1D(), pl.Concatenate()
        self.word = pl.Embedding(words, 64, pl.RandomNormal(stddev=0.1), name="word")
        self.runs = [pl.Conv1D(100, n, padding="same", activation="relu") for n in (1, 2, 3)]
        self.drop = pl.Dropout(0.6)
        self.bag, self.order = pl.Dense(1, name="bag"), pl.Dense(1, name="order")

    def __call__(self, x):
        words = self.drop(self.word(x["words"]))
        found = self.join([self.strongest(run(words)) for run in self.runs])
        bag = 40.0 * self.mean(self.term(x["terms"]))  # a mean of some hundred numbers is small
        return {"bag": self.bag(bag), "order": self.order(self.drop(found))}


def words(sentence: str) -> list[str]:
    """A sentence in words and marks of strong feeling.

    >>> words("It's so, so bad!")
    ["it's", 'so', 'so', 'bad', '!']
    """
    return re.findall(r"[\w']+|[!?]", sentence.lower())


def terms(sentence: str) -> list[str]:
    """What a sentence is made of, each once; pieces are four to six letters of a word between < and >.

    >>> terms("not so bad")
    ['not', 'so', 'bad', 'not so', 'so bad', 'not _ bad', '<not', 'not>', '<not>', '<so>', '<bad', 'bad>', '<bad>']
    """
    single = words(sentence)
    pairs = [f"{a} {b}" for a, b in pairwise(single)]
    apart = [f"{a} _ {b}" for a, b in zip(single, single[2:], strict=False)]
    marked = [f"<{word}>" for word in single]
    pieces = [word[i : i + n] for word in marked for n in (4, 5, 6) for i in range(len(word) - n + 1)]
    return list(dict.fromkeys([*single, *pairs, *apart, *pieces]))


class Vocabulary:
    """A number from 1 on for each of the entries that at least two rows have."""

    def __init__(self, rows: Iterable[Sequence[str]]):
        found = Counter(entry for row in rows for entry in dict.fromkeys(row))
        self.names = ["", *(entry for entry, count in found.most_common() if count > 1)]
        self.numbers = {name: i for i, name in enumerate(self.names)}

    def encode(self, rows: Iterable[Sequence[str]]) -> Any:
        """Each row as the numbers of those of its entries that are known, (n, t), 0 behind them."""
        known = [[self.numbers[entry] for entry in row if entry in self.numbers] for row in rows]
        return pl.pad_sequences(known, padding="post")


def trained(x: dict[str, Any], scores: Any, sizes: Sequence[int], epochs: int = EPOCHS, seed: int = 0) -> Readers:
    """The network after its training to tell 1 / (1 + exp(-score)), the chance that a sentence is praise."""
    chances = (1 / (1 + np.exp(-scores[:, None]))).astype("float32")
    model = Readers(*sizes)
    loss = pl.BinaryCrossentropy(from_logits=True)
    rate = pl.CosineDecay(2e-3, epochs * -(-len(scores) // 32))
    model.compile(pl.Adam(rate), {"bag": loss, "order": loss})
    y = {"bag": chances, "order": chances}
    model.fit(x, y, batch_size=32, epochs=epochs, seed=seed, record=False)
    return model


def answers(model: Readers, x: dict[str, Any]) -> tuple[Any, Any]:
    """What each reader says of each sentence, (n, 2), and both, (n,): praise above 0."""
    told = model.predict(x)
    each = np.concatenate([told["bag"], told["order"]], axis=1)
    return each, each @ [2 / 3, 1 / 3]


def explained(model: Readers, x: dict[str, Any], names: dict[str, Sequence[str]]) -> list[pl.Attribution]:
    """What in a sentence, x of one row, spoke for praise to each reader, and what against."""
    found = []
    for reader, part in (("bag", "terms"), ("order", "words")):
        print(f"\nTo the reader of the {reader}:")
        found.append(pl.attribution(model, x, output=(reader, 0)))
        parts = found[-1].contributions[part]
        for i in abs(parts).argsort()[:-9:-1]:
            print(f"  {parts[i]:+.3f}  {names[part][x[part][0, i]]}")
        print(f"  {parts.sum():+.3f}  all of them, {found[-1].gap:+.3f} off: it said {found[-1].output:+.3f},")
        print(f"  of no words {found[-1].baseline:+.3f}; {str(found[-1].report).splitlines()[0]}")
    return found


def main(arguments: Sequence[str] | None = None) -> list[pl.Attribution]:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="one fifth, learned from a tenth of the rest, in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    sentences, scores = fetch.reviews()
    split = {"terms": [terms(s) for s in sentences], "words": [words(s) for s in sentences]}
    order = np.random.default_rng(0).permutation(len(sentences))
    alone, told = np.zeros((len(sentences), 2)), np.zeros(len(sentences))
    fifths = np.array_split(order, 5)[: 1 if quick else 5]
    for k, test in enumerate(fifths):
        rows = np.setdiff1d(order, test)[:: 10 if quick else 1]
        known = {part: Vocabulary(lists[i] for i in rows) for part, lists in split.items()}
        x = {part: known[part].encode(lists) for part, lists in split.items()}
        sizes = [len(vocabulary.names) for vocabulary in known.values()]
        model = trained(some(x, rows), scores[rows], sizes, epochs=2 if quick else EPOCHS, seed=k)
        alone[test], told[test] = answers(model, some(x, test))
        print(f"fifth {k + 1}: accuracy {right(told[test], scores[test]):.4f} on {len(test):,} held-out sentences")
    tested = np.concatenate(fifths)
    took = time.perf_counter() - started
    print(
        f"accuracy on {len(tested):,} sentences, each held out once: {right(told[tested], scores[tested]):.4f}, "
        f"to beat {TO_BEAT}; {took:.0f} s in all\n(the bag alone {right(alone[tested, 0], scores[tested]):.4f}, "
        f"the order alone {right(alone[tested, 1], scores[tested]):.4f})"
    )
    # One that was told rightly and was neither the surest nor the least sure.
    near = test[int(np.where((told > 0) == (scores > 0), abs(told - 1), np.inf)[test].argmin())]
    print(f"\n{sentences[near]}\npeople gave it {scores[near]:+.2f}, the network {told[near]:+.2f}")
    return explained(model, some(x, [near]), {part: vocabulary.names for part, vocabulary in known.items()})


def some(x: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of both inputs."""
    return {part: array[rows] for part, array in x.items()}


def right(told: Any, scores: Any) -> float:
    """The share of sentences whose sign was told."""
    return float(((told > 0) == (scores > 0)).mean())


if __name__ == "__main__":
    main()
