"""Writing: a network that says what comes next is asked again and again, and each choice can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.arguments import whole
from pellucid.autodiff.random import uniform
from pellucid.data.dataset import Numbers
from pellucid.errors import UsageError
from pellucid.inference.prefixes import Prefixes, Prompts
from pellucid.models.model import Model
from pellucid.pages.page import Page

Alternative = tuple[int, float]
"""A token and its log-probability."""


@dataclass(frozen=True)
class Continuation:
    """What was written behind one prompt, and what else could have been."""

    prompt: list[int]
    tokens: list[int]
    """The tokens written, the end token included where the network came to it."""
    log_probabilities: list[float]
    """log p of each token written, of what the network says: before temperature, top_k and top_p."""
    alternatives: list[list[Alternative]]
    """For each token written: the tokens most likely there, likeliest first."""

    @property
    def ids(self) -> list[int]:
        """The prompt and what was written."""
        return self.prompt + self.tokens

    @property
    def log_probability(self) -> float:
        """log p of all that was written: the sum of its tokens'."""
        return float(sum(self.log_probabilities))

    def score(self, length_penalty: float) -> float:
        """log p · (6 / (5 + tokens))^length_penalty, by which continuations of unequal length are compared.

        Source: Wu et al. (2016), arXiv:1609.08144, equation 14.
        """
        return self.log_probability / ((5 + len(self.tokens)) / 6) ** length_penalty

    def page(self, name: Callable[[int], str] = str) -> Page:
        """A table of the tokens written, each with its probability and what else could have stood there.

        name: how a token is shown, as lambda token: tokenizer.decode([token]).
        """
        found = Page()
        told = zip(self.tokens, self.log_probabilities, self.alternatives, strict=True)
        rows = [
            (name(token), f"{numpy.exp(log_p):.3f}", "  ".join(f"{name(k)} {numpy.exp(p):.3f}" for k, p in others))
            for token, log_p, others in told
        ]
        found.table(("token", "p", "likeliest"), rows)
        return found


def generate(
    model: Model,
    prompts: Prompts,
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    end_token: int | None = None,
    seed: int = 0,
    window: int | None = None,
    alternatives: int = 5,
    name: str = "target_in",
    batch_size: int = 64,
    engine: str = "xla",
) -> list[Continuation]:
    """Writes behind each prompt, token by token: each is drawn from p = softmax(logits / temperature).

    The network takes token numbers (n, t) and gives logits (n, t, tokens), or probabilities by a softmax as its last
    op; or it takes several inputs by name, of which `name` is written on. Row i's token number s is a function of
    (seed, i, s) and of what the network says of row i alone.

    Args:
        prompts: rows of token numbers, of equal length or not, [[2], [5, 7]]; or a dict of inputs,
            {"source": (n, s), "target_in": rows}.
        max_new_tokens: how many are written at most.
        temperature: below 1 likely tokens get likelier; 0 is greedy: always the likeliest, of equals the lowest.
        top_k: only the k likeliest tokens are drawn. top_p: only the likeliest that together reach this probability.
        end_token: a row ends with it.
        window: how many of the last tokens the network sees; None for all.
        alternatives: how many of the likeliest tokens are kept of each step.
        batch_size: how many rows are computed at once.

    Raises UsageError for settings out of range, a network without weights, and one that looks ahead; DataError for
    prompts that are empty or no tokens; ShapeError for a network that gives something else.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Embedding(4, 4)])                  # each token says which comes next
    >>> model.load_parameters({"embedding/embeddings": 9.0 * np.roll(np.eye(4), 1, axis=1)})
    >>> (found,) = pl.generate(model, [[0, 1]], 5, temperature=0, end_token=0, alternatives=2)
    >>> found.tokens, round(found.log_probability, 4)
    ([2, 3, 0], -0.0011)
    >>> print(found.page())
      token  p      likeliest
      2      1.000  2 1.000  0 0.000
      3      1.000  3 1.000  0 0.000
      0      1.000  0 1.000  1 0.000

    Source: top_k, Fan et al. (2018), arXiv:1805.04833; top_p, Holtzman et al. (2020), arXiv:1904.09751.
    """
    _check(temperature, top_k, top_p)
    whole("alternatives", alternatives, 0)
    prefixes = Prefixes(model, prompts, name, max_new_tokens, end_token, window, batch_size, engine)
    notes: list[list[tuple[int, float, list[Alternative]]]] = [[] for _ in prefixes.prompts]
    open_ = numpy.arange(len(notes))
    for step in range(max_new_tokens):
        log_p = prefixes.after(open_)
        u = uniform(seed, "generate", step, shape=(len(notes),))[open_]
        tokens = drawn(log_p, u, temperature, top_k, top_p)
        prefixes.append(open_, tokens)
        for row, token, says in zip(open_, tokens.tolist(), log_p, strict=True):
            notes[row].append((token, float(says[token]), likeliest(says, alternatives)))
        open_ = open_[tokens != end_token] if end_token is not None else open_
        if not len(open_):
            break
    return [continuation(prompt, note) for prompt, note in zip(prefixes.prompts, notes, strict=True)]


def drawn(log_p: Numbers, u: Numbers, temperature: float, top_k: int | None, top_p: float | None) -> Numbers:
    """A token for each row of log p (n, tokens): the first whose share and those before it add up to more than u.

    >>> drawn(numpy.log([[0.5, 0.3, 0.2]] * 3), numpy.array([0.4, 0.6, 0.9]), 1.0, None, None).tolist()
    [0, 1, 2]
    >>> drawn(numpy.log([[0.5, 0.3, 0.2]] * 3), numpy.array([0.4, 0.6, 0.9]), 1.0, 2, None).tolist()
    [0, 0, 1]
    """
    if temperature == 0:
        return numpy.argmax(log_p, axis=-1)
    order = numpy.argsort(-log_p, axis=-1, kind="stable")
    ranked = numpy.take_along_axis(log_p, order, axis=-1)
    share = numpy.exp((ranked - ranked[:, :1]) / temperature)
    if top_k is not None:
        share[:, top_k:] = 0
    if top_p is not None:
        before = numpy.cumsum(share, axis=-1) - share
        share[before >= top_p * share.sum(axis=-1, keepdims=True)] = 0
    total = numpy.cumsum(share, axis=-1)
    rank = numpy.sum(total <= u[:, None] * total[:, -1:], axis=-1)
    # u below 1 times the total may be rounded up to the total.
    rank = numpy.minimum(rank, numpy.sum(share > 0, axis=-1) - 1)
    return numpy.take_along_axis(order, rank[:, None], axis=-1)[:, 0]


def likeliest(log_p: Numbers, count: int) -> list[Alternative]:
    """The tokens most likely, likeliest first, each with its log-probability."""
    if not count:
        return []
    top = numpy.argpartition(-log_p, min(count, len(log_p)) - 1)[:count]
    return [(int(k), float(log_p[k])) for k in top[numpy.lexsort((top, -log_p[top]))]]


def continuation(prompt: list[int], notes: Sequence[tuple[int, float, list[Alternative]]]) -> Continuation:
    """From what was noted of each token."""
    tokens, log_p, alternatives = ([note[i] for note in notes] for i in range(3))
    return Continuation(prompt, tokens, log_p, alternatives)  # pyright: ignore[reportArgumentType]


def _check(temperature: Any, top_k: Any, top_p: Any) -> None:
    """UsageError for settings out of range."""
    if isinstance(temperature, bool) or not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature={temperature!r}: a number, 0 (greedy) or more")
    if top_k is not None:
        whole("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"top_p={top_p!r}: a probability above 0, up to 1")
