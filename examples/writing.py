"""What phonemes.py and translate.py share: networks that read a source and write what it becomes, token by token."""

from typing import Any

import numpy as np

import pellucid as pl
from pellucid.data.text import END, START

SMALL = {"epochs": 1, "width": 32, "encoders": 1, "decoders": 1}
"""For a look in seconds."""


def some(x: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of several inputs."""
    return {name: array[rows] for name, array in x.items()}


def written(model: pl.Model, source: Any, length: int, beams: int = 1) -> list[list[int]]:
    """What the network writes for each row of the source, without the end: the likeliest token each time, or the best
    of so many beams."""
    prompts = {"source": source, "target_in": [[START]] * len(source)}
    if beams == 1:
        found = pl.generate(model, prompts, length, temperature=0, end_token=END, batch_size=256)
    else:
        search: dict[str, Any] = {"num_beams": beams, "length_penalty": 1.0, "end_token": END}
        found = [best for best, *_ in pl.beam_search(model, prompts, length, **search)]
    return [[token for token in one.tokens if token != END] for one in found]


def explained(
    model: pl.Model, source: Any, tokens: list[int], reading: pl.Tokenizer, writing: pl.Tokenizer
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
