"""The Transformer of phonemes.py and translate.py: an encoder that reads, a decoder that writes.

Source: Vaswani et al. (2017), arXiv:1706.03762.
"""

from typing import Any

import numpy as np

import pellucid as pl
from pellucid.data.text import END, START

SMALL = {"epochs": 1, "width": 32, "encoders": 1, "decoders": 1}
"""For a look in seconds."""


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


def some(x: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of several inputs."""
    return {name: array[rows] for name, array in x.items()}


def written(model: Transformer, source: Any, length: int, beams: int = 1) -> list[list[int]]:
    """What the network writes for each row of the source, without the end: the likeliest token each time, or the best
    of so many beams."""
    prompts = {"source": source, "target_in": [[START]] * len(source)}
    if beams == 1:
        found = pl.generate(model, prompts, length, temperature=0, end_token=END, batch_size=256)
    else:
        found = [best for best, *_ in pl.beam_search(model, prompts, length, num_beams=beams, end_token=END)]
    return [[token for token in one.tokens if token != END] for one in found]


def explained(
    model: Transformer, source: Any, tokens: list[int], reading: pl.Tokenizer, writing: pl.Tokenizer
) -> pl.Attribution:
    """The token written, or the end, that the network was least sure of: what else it thought of, and what of the
    source, (1, s), and of what it had written pushed it."""

    def name(token: int, other: str) -> str:
        return writing.decode([token]).strip() or other

    length = model.compiled.features["target_in"][0]
    asked = [*tokens, END][:length]
    before = pl.pad_sequences([[START, *asked[:-1]]], length, padding="post")
    x = {"source": source, "target_in": before}
    logits = model.predict(x)[0, : len(asked)].astype("float64")
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    step = int(chances[np.arange(len(asked)), asked].argmin())
    best = [f"{name(i, 'the end')} {chances[step, i]:.0%}" for i in chances[step].argsort()[:-4:-1]]
    token = name(asked[step], "the end")
    print(f"The least sure was token {step + 1}, {token}; likeliest were {', '.join(best)}. What pushed {token}:")
    found = pl.attribution(model, x, output=(step, asked[step]))
    read = [reading.decode([i]).strip() for i in source[0]]
    found.show({"source": read, "target_in": [name(i, "start") for i in before[0]]})
    return found
