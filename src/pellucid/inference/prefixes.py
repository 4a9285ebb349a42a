"""What is written so far of several texts, and what a network says comes next in each.

A network that writes is a function `prefix -> log-probability of each token`. The prefixes lie in one array of the
final length, so that one compiled program serves every step: a causal network sees nothing of what is not written yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy

from pellucid.arguments import whole
from pellucid.autodiff import Tape, Value, namespace, ops
from pellucid.data.arrays import as_array
from pellucid.data.dataset import Numbers
from pellucid.data.named import first
from pellucid.engine.step import State, Step, given
from pellucid.errors import DataError, NotFiniteError, ShapeError, UsageError
from pellucid.models.model import Model

Prompts = Any
"""Rows of token numbers of equal length or not; or {"source": …, "target_in": such rows}."""


class Prefixes:
    """Row i holds ids[i, :lengths[i]]; what stands behind that is not written yet."""

    def __init__(
        self,
        model: Model,
        prompts: Prompts,
        name: str,
        new: int,
        end_token: int | None,
        window: int | None,
        batch_size: int,
        engine: str,
    ) -> None:
        rows, self.others = _parted(prompts, name)
        self.prompts = _token_numbers(rows)
        if odd := {part: len(a) for part, a in self.others.items() if len(a) != len(self.prompts)}:
            raise ShapeError(f"there are {len(self.prompts)} rows of {name}, but of the other inputs {odd}")
        model.parameters()  # refused where there are none
        self.lengths = numpy.asarray([len(prompt) for prompt in self.prompts])
        self.ids = numpy.zeros((len(self.prompts), self.lengths.max() + whole("max_new_tokens", new)), numpy.int32)
        for row, prompt in zip(self.ids, self.prompts, strict=True):
            row[: len(prompt)] = prompt
        longest = self.ids.shape[1] - 1  # the last token is never read
        self.width = longest if window is None else min(longest, whole("window", window))
        self.batch = min(whole("batch_size", batch_size), len(self.ids))
        self.end_token = None if end_token is None else whole("end_token", end_token, 0)
        self.run, self.state = _next_token(model, engine, name if self.others else None)
        self.checked = False

    def after(self, rows: Numbers) -> Numbers:
        """log p of each token as the next one of these rows: (rows, tokens), float64."""
        found = self._asked(rows, 0)
        if numpy.isnan(found).any():
            raise NotFiniteError("the network says NaN of the next token: its weights or a prompt are out of range")
        if not self.checked:
            self._check(rows, found)
        return found

    def append(self, rows: Numbers, tokens: Numbers) -> None:
        """Writes a token behind each of these rows."""
        self.ids[rows, self.lengths[rows]] = tokens
        self.lengths[rows] += 1

    def repeated(self, times: int) -> None:
        """Each row so many times, one below the other."""
        self.ids, self.lengths = (numpy.repeat(a, times, axis=0) for a in (self.ids, self.lengths))
        self.others = {part: numpy.repeat(a, times, axis=0) for part, a in self.others.items()}
        self.batch = min(self.batch * times, len(self.ids))

    def _asked(self, rows: Numbers, unwritten: int) -> Numbers:
        """Batch by batch; the last is filled up with rows that it has, for one compiled program serves all."""
        begin = numpy.maximum(self.lengths - self.width, 0)
        parts: list[Numbers] = []
        for start in range(0, len(rows), self.batch):
            some = rows[start : start + self.batch]
            full = numpy.resize(some, self.batch)
            places = begin[full, None] + numpy.arange(self.width)
            ids = numpy.take_along_axis(self.ids[full], places, axis=1)
            ids = numpy.where(places < self.lengths[full, None], ids, unwritten).astype(numpy.int32)
            others = {part: a[full] for part, a in self.others.items()}
            with numpy.errstate(all="ignore"):  # the caller looks for numbers that are not finite, and says so
                log_p = self.run(self.state, ids, others, (self.lengths - begin)[full])
            parts.append(numpy.asarray(log_p, numpy.float64)[: len(some)])
        return numpy.concatenate(parts)

    def _check(self, rows: Numbers, found: Numbers) -> None:
        """Refuses tokens that the network does not know, and a network that looks at what is not written yet."""
        self.checked = True
        tokens = found.shape[1]
        if self.end_token is not None and self.end_token >= tokens:
            raise UsageError(f"end_token={self.end_token}: the network knows the tokens 0 to {tokens - 1}")
        for number, prompt in enumerate(self.prompts):
            if odd := [token for token in prompt if not 0 <= token < tokens]:
                raise DataError(f"prompt {number} holds the token {odd[0]}; the network knows 0 to {tokens - 1}")
        others = self._asked(rows, tokens - 1)
        if not numpy.allclose(numpy.exp(found), numpy.exp(others), atol=1e-3):
            raise UsageError(
                "the network looks at tokens that are not written yet, so that it cannot write: use causal layers "
                "(use_causal_mask=True, padding='causal', no Bidirectional) on what is written"
            )


def _parted(prompts: Prompts, name: str) -> tuple[Any, dict[str, Numbers]]:
    """The rows that are written on, and the other inputs of the network."""
    if not isinstance(prompts, Mapping):
        return prompts, {}
    if name not in prompts or len(prompts) < 2:
        raise UsageError(
            f"the prompts name {', '.join(map(str, prompts)) or 'nothing'}; they have to name {name!r}, which is "
            "written on, and the other inputs of the network"
        )
    return prompts[name], {str(part): as_array(a, str(part)) for part, a in prompts.items() if part != name}


def _token_numbers(rows: Any) -> list[list[int]]:
    """The prompts as lists of whole numbers; DataError for one that is empty, or something else."""
    if isinstance(rows, str) or not isinstance(rows, Sequence | numpy.ndarray) or not len(rows):
        raise DataError(
            f"the prompts are {type(rows).__name__}; they have to be a list of rows of token numbers, one at least: "
            "[tokenizer.encode(text)]"
        )
    found: list[list[int]] = []
    for number, row in enumerate(rows):
        array = numpy.asarray(row)
        if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
            raise DataError(
                f"prompt {number} has shape {array.shape} and dtype {array.dtype}; it has to be token numbers, (t,), "
                "one at least"
            )
        found.append(array.tolist())
    return found


def _next_token(model: Model, name: str, part: str | None) -> tuple[Callable[..., Any], State]:
    """(state, ids (n, t), other inputs, lengths (n,)) to log p (n, tokens), compiled once; and the state."""
    engine = model.evaluator(name, only_predict=True)
    return engine.compiled(("next token", part), partial(_log_p, part)), engine.start(model.state())


def _log_p(part: str | None, step: Step, state: State, ids: Any, others: dict[str, Any], lengths: Any) -> Any:
    xp, dtype = namespace(ids), first(state.parameters).dtype
    tape = Tape(state.parameters, untrained=state.untrained)
    x = ids if part is None else {**others, part: ids}
    x = {k: xp.astype(a, dtype) for k, a in x.items()} if isinstance(x, dict) else xp.astype(x, dtype)
    y = step.model(given(tape, "x", x))
    if not isinstance(y, Value) or y.ndim != 3 or y.shape[:2] != tuple(ids.shape):
        raise ShapeError(
            f"a network that writes gives a logit for each token at each step, {(*ids.shape, 'tokens')}, but this "
            f"one gives {y.shape if isinstance(y, Value) else 'several outputs'}; a recurrent layer needs "
            "return_sequences=True"
        )
    last = xp.take_along_axis(y.array, xp.reshape(lengths - 1, (-1, 1, 1)), axis=1)[:, 0]
    probabilities = y.node.op is not None and y.node.op.name == "softmax"
    return xp.log(last) if probabilities else ops.log_softmax(last)
