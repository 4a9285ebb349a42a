"""Back-propagation: the gradient of one number with respect to everything it was made from.

The tape is walked from its last node to its first. Each node knows the gradient of the loss with respect to
its output (`dy`); its op's rule says what that means for its inputs. A number that was used in several
places adds up what comes back from each. (Rumelhart, Hinton and Williams 1986, doi:10.1038/323533a0.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pellucid.autodiff.op import namespace
from pellucid.autodiff.ops import sum_to
from pellucid.autodiff.tape import Array, Node, Tape, Value
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
    forward = tape.nodes[: output.node.index + 1]
    needed = depends_on(forward, [value.node for value in wrt])
    with tape.backward(output.node):
        ones = namespace(output.array).ones_like(output.array)
        arrived: dict[int, Value] = {output.node.index: tape.given("d" + _name(output.node), ones)}
    for node in reversed(forward):
        if node.op is None or node.index not in needed or node.index not in arrived:
            continue
        with tape.backward(node):
            for source, gradient in sent_back(node, arrived[node.index], tape):
                if source.node.index in needed:
                    before = arrived.get(source.node.index)
                    arrived[source.node.index] = gradient if before is None else before + gradient
    tape.slopes.update({index: gradient.node.index for index, gradient in arrived.items()})
    return [arrived[v.node.index] if v.node.index in arrived else _zeros(v) for v in wrt]


def sent_back(node: Node, dy: Value, tape: Tape) -> Iterable[tuple[Value, Value]]:
    """Each input of a node with what the node's rule sends back to it."""
    assert node.op is not None
    if node.op.rule is None:  # a step function: its gradient is 0 wherever it has one
        return
    sent = node.op.rule(dy, Value(tape, node), *node.inputs, **node.settings)
    for source, gradient in zip(node.inputs, sent if isinstance(sent, tuple) else (sent,), strict=True):
        if isinstance(source, Value) and isinstance(gradient, Value):
            repeated = gradient.shape != source.shape
            yield source, sum_to(gradient, shape=source.shape) if repeated else gradient


def depends_on(nodes: Sequence[Node], sources: Sequence[Node]) -> set[int]:
    """The nodes that any of the sources reaches: the only ones through which a gradient must flow."""
    reached = {node.index for node in sources}
    for node in nodes:
        if any(isinstance(value, Value) and value.node.index in reached for value in node.inputs):
            reached.add(node.index)
    return reached


def _zeros(value: Value) -> Value:
    return value.tape.given(f"d{value.node.path}", namespace(value.array).zeros_like(value.array))


def _name(node: Node) -> str:
    return node.op.name if node.op else node.path
