"""Shakespeare: a recurrent network learns 40 of his works letter by letter, and writes on.

    python examples/shakespeare.py [--quick]

At each character the network tells the next one from all before it in its window: a vector for the character, a GRU
that carries what it has read, a chance for each character. It is measured on two plays that it never saw, in bits per
character: log2 of one over the chance that it gave to what really came next; each character of them is told once, with
at least half a window before it. Then it writes, and one of its guesses in an unseen play is explained: which of the
characters before pushed it.

Source of the idea: Sutskever, Martens and Hinton (2011), Generating text with recurrent neural networks, ICML.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

TO_BEAT = 2.2
HELD_OUT = ("macbeth", "twelfth_night")
LENGTH = 96
CUT = "The handle toward my ha"
"""Where a play is broken off to see what the network makes of it."""


def network(characters: int, units: int = 256) -> pl.Sequential:
    """From characters (n, t) to a number for each that may come next, (n, t, characters)."""
    spread = pl.RandomNormal(stddev=0.3)
    return pl.Sequential(
        [pl.Embedding(characters, 64, spread), pl.GRU(units, return_sequences=True), pl.Dense(characters)]
    )


def trained(ids: Any, characters: int, epochs: int = 3, batch_size: int = 48, units: int = 256) -> pl.Sequential:
    """The network after its training on windows of this text."""
    x, y = pl.windows(ids, LENGTH)
    model = network(characters, units)
    rate = pl.CosineDecay(5e-3, epochs * -(-len(x) // batch_size))
    model.compile(pl.Adam(rate, clipnorm=1.0), pl.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=batch_size, epochs=epochs, record=False)
    return model


def bits(model: pl.Sequential, ids: Any) -> float:
    """Bits per character of a text, told in windows that overlap by half; of each the second half counts."""
    x, y = pl.windows(ids, LENGTH, stride=LENGTH // 2)
    logits, right = model.predict(x)[:, LENGTH // 2 :], y[:, LENGTH // 2 :]
    most = logits.max(axis=-1, keepdims=True)
    chances = logits - most - np.log(np.exp(logits - most).sum(axis=-1, keepdims=True))
    return float(-np.take_along_axis(chances, right[..., None], axis=-1).mean() / np.log(2))


def sample(model: pl.Sequential, letters: pl.Tokenizer, begin: str, count: int = 400) -> str:
    """What the network writes after these words."""
    (found,) = pl.generate(model, [letters.encode(begin)], count, temperature=0.7, top_p=0.95)
    return letters.decode(found.ids)


def explained(model: pl.Sequential, letters: pl.Tokenizer, text: str) -> pl.Attribution:
    """The next character after this text, what else the network thought of, and which characters before pushed it."""
    x = letters.encode(text)[None, -LENGTH:]
    logits = model.predict(x)[0, -1]
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    best = chances.argsort()[:-4:-1]
    print(f"\nAfter …{text[-40:]!r} comes {', '.join(f'{letters.tokens[i]!r} {chances[i]:.0%}' for i in best)}.")
    print(f"What pushed {letters.tokens[best[0]]!r}:")
    found = pl.attribution(model, x, output=(x.shape[1] - 1, int(best[0])))
    ago = range(x.shape[1] - 1, -1, -1)
    found.show([f"{letters.tokens[i]!r}, {n} before the last" for i, n in zip(x[0], ago, strict=True)])
    return found


def main(arguments: Sequence[str] | None = None) -> pl.Attribution:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="a smaller network on 100,000 characters, in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    works = fetch.shakespeare()
    unseen = "\n".join(works[name] for name in HELD_OUT)
    text = "\n".join(work for name, work in works.items() if name not in HELD_OUT)
    if quick:
        text, unseen = text[:100_000], unseen[:10_000]
    letters = pl.Tokenizer.learn(text)
    print(f"{len(text):,} characters to learn from, {len(unseen):,} held out; {letters.size} different ones")
    size = {"epochs": 1, "units": 64} if quick else {}
    model = trained(letters.encode(text), letters.size, **size)
    reached = bits(model, letters.encode(unseen))
    took = time.perf_counter() - started
    print(f"{reached:.3f} bits per character of {' and '.join(HELD_OUT)}, to beat {TO_BEAT}; {took:.0f} s in all\n")
    print(sample(model, letters, "\nKing.\nMy lord, "))
    return explained(model, letters, unseen[: unseen.index(CUT) + len(CUT)] if CUT in unseen else unseen)


if __name__ == "__main__":
    main()
