"""Back-propagation: the gradient of one number with respect to everything it was made from.

The tape is walked from its last row to its first. Each row knows the gradient of the loss with respect to
its output (`dy`); its op's rule says what that means for its inputs. A number that was used in several
places adds up what comes back from each. (Rumelhart, Hinton and Williams 1986, doi:10.1038/323533a0.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pellucid.autodiff.op import namespace
from pellucid.autodiff.ops import sum_to
from pellucid.autodiff.tape import Array, Row, Tape, Value
from pellucid.errors import ShapeError


def backprop(
    f: Callable[[dict[str, Value]], Value], parameters: Mapping[str, Array]
) -> tuple[Array, dict[str, Array], Tape]:
    """The value of f, its gradient with respect to each parameter, and the tape of both passes.

    Args:
        f: from Values by name to one number, in arithmetic on Values (`@`, `+`, pellucid's ops).
        parameters: arrays by name.

    Returns:
        value: a 0-dimensional array; gradients: for each name an array of the parameter's shape; tape.

    Raises:
        ShapeError: f returned more than one number.

    >>> import numpy as np
    >>> point = {"w": np.array(2.0), "x": np.array(2.0)}
    >>> value, gradients, tape = backprop(lambda p: (p["w"] * p["x"] - 6.0) ** 2, point)
    >>> float(value), float(gradients["w"])
    (4.0, -8.0)
    """
    tape = Tape(dict(parameters))
    output = f({name: tape.parameter(name) for name in parameters})
    found = gradients(output, [tape.parameter(name) for name in parameters])
    return output.array, {name: g.array for name, g in zip(parameters, found, strict=True)}, tape


def gradients(output: Value, wrt: Sequence[Value]) -> list[Value]:
    """The gradient of `output` (one number) with respect to each Value of `wrt`, on the same tape."""
    if output.shape not in ((), (1,)):
        raise ShapeError(
            f"only one number has a gradient, but the output has shape {output.shape}; take its mean or sum first"
        )
    tape = output.tape
    forward = tape.rows[: output.row.index + 1]
    needed = depends_on(forward, [value.row for value in wrt])
    with tape.backward(output.row):
        ones = namespace(output.array).ones_like(output.array)
        arrived: dict[int, Value] = {output.row.index: tape.given("d" + _name(output.row), ones)}
    for row in reversed(forward):
        if row.op is None or row.index not in needed or row.index not in arrived:
            continue
        with tape.backward(row):
            for source, gradient in sent_back(row, arrived[row.index], tape):
                if source.row.index in needed:
                    before = arrived.get(source.row.index)
                    arrived[source.row.index] = gradient if before is None else before + gradient
    tape.slopes.update({index: gradient.row.index for index, gradient in arrived.items()})
    return [arrived[v.row.index] if v.row.index in arrived else _zeros(v) for v in wrt]


def sent_back(row: Row, dy: Value, tape: Tape) -> Iterable[tuple[Value, Value]]:
    """Each input of a row with what the row's rule sends back to it."""
    assert row.op is not None
    if row.op.rule is None:  # a step function: its gradient is 0 wherever it has one
        return
    sent = row.op.rule(dy, Value(tape, row), *row.inputs, **row.settings)
    for source, gradient in zip(row.inputs, sent if isinstance(sent, tuple) else (sent,), strict=True):
        if isinstance(source, Value) and isinstance(gradient, Value):
            repeated = gradient.shape != source.shape
            yield source, sum_to(gradient, shape=source.shape) if repeated else gradient


def depends_on(rows: Sequence[Row], sources: Sequence[Row]) -> set[int]:
    """The rows that any of the sources reaches: the only ones through which a gradient must flow."""
    reached = {row.index for row in sources}
    for row in rows:
        if any(isinstance(value, Value) and value.row.index in reached for value in row.inputs):
            reached.add(row.index)
    return reached


def _zeros(value: Value) -> Value:
    return value.tape.given(f"d{value.row.path}", namespace(value.array).zeros_like(value.array))


def _name(row: Row) -> str:
    return row.op.name if row.op else row.path
