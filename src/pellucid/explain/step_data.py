"""What is explained: one training step, and how its numbers are named and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy

from pellucid.autodiff import Node, Tape, Value
from pellucid.autodiff.origin import Index
from pellucid.data.tables.category_name import said
from pellucid.errors import UsageError
from pellucid.explain.expression import Expression
from pellucid.explain.text import TERMS, Text
from pellucid.pages.target import Target

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class StepData:
    """A step's tape, its gradients, its states, and names for its numbers."""

    tape: Tape
    loss: Value
    gradients: Arrays
    parameters: Arrays
    after: Arrays
    optimizer: Any
    slots: Mapping[str, Any]
    """The optimizer's state before the step."""
    step: int
    """The number of the step, 0 for the first."""
    rows: Sequence[int]
    """The row of the data that each row of the batch is."""
    features: Sequence[str] = ()
    classes: Sequence[str] = ()
    files: Sequence[str] = ()
    """The file that each row of the batch is, where rows are files."""
    upright: bool = False
    """Whether the rows are spectrograms, drawn with time to the right."""
    untrained: Arrays = field(default_factory=dict[str, Any])
    """Arrays that the step remembers without learning them by a gradient, such as running means."""
    exact: str = ""
    """A sentence that says whether these numbers are, bit for bit, those of the run."""
    target: Target = field(default_factory=lambda: Target("show"))
    """What opens this step: of a run folder, or, where it names none, in Python."""

    @property
    def size(self) -> int:
        return sum(array.size for array in self.parameters.values())

    @cached_property
    def given(self) -> dict[str, Node]:
        """What the pass was given, by name: "x", "y", each weight."""
        nodes = self.tape.nodes[: self.loss.node.index]
        return {node.path: node for node in nodes if node.op is None and node.backward_of is None}

    def parts(self, name: str) -> dict[str, Node]:
        """What was given under a name: {"x": node}, or of several {"x/left": node, "x/right": node}."""
        return {path: node for path, node in self.given.items() if path == name or path.startswith(f"{name}/")}

    @cached_property
    def forward(self) -> list[Node]:
        """The forward pass, without what was given."""
        nodes = self.tape.nodes[: self.loss.node.index + 1]
        return [node for node in nodes if node.op is not None and node.backward_of is None]

    @cached_property
    def shown(self) -> list[Node]:
        """The nodes of the forward pass that stand for themselves and hold numbers, not indices."""
        return [node for node in self.forward if not self.inlined(node) and is_real(node)]

    @cached_property
    def slopes(self) -> dict[int, Node]:
        """For each node of the forward pass, the node that holds the gradient of the loss with respect to it."""
        return {index: self.tape.nodes[slope] for index, slope in self.tape.slopes.items()}

    @property
    def layers(self) -> list[str]:
        """The paths of the layers that made something."""
        return list(dict.fromkeys(node.path for node in self.forward if node.path))

    @cached_property
    def prediction(self) -> Node | None:
        """What the model gave: the last node before the targets came in."""
        targets = [node.index for node in self.parts("y").values()]
        start = min(targets, default=self.loss.node.index)
        return next((node for node in reversed(self.forward) if node.index < start and is_real(node)), None)

    @cached_property
    def probabilities(self) -> Any:
        """The prediction as a person reads it: of logits, their probabilities."""
        if self.prediction is None:
            return None
        users = [node.op for node in self.users.get(self.prediction.index, []) if node.op]
        made = next((op.probabilities for op in users if op.probabilities), None)
        return made(self.prediction.output) if made else self.prediction.output

    @cached_property
    def row_losses(self) -> Any:
        """The loss of each row of the batch, or None where the loss is no mean over rows."""
        waiting = [self.loss.node]
        while waiting:
            node = waiting.pop(0)
            if node.op is None or not (node.op.scales or node.op.joined in ("mean", "sum")):
                continue
            inputs = [value for value in node.inputs if isinstance(value, Value)]
            if node.op.axes == "reduce" and inputs[0].shape == (len(self.rows),):
                return inputs[0].array
            waiting += [value.node for value in inputs]
        return None

    @cached_property
    def clipped(self) -> Arrays:
        """The gradients as the optimizer's rule sees them."""
        return self.optimizer.clip(numpy, dict(self.gradients))

    @cached_property
    def rate(self) -> float:
        return float(self.optimizer.rate(numpy, self.step))

    def moved_by(self, path: str) -> tuple[Any, Arrays]:
        """The optimizer that moves the weights at `path`, and what the first line of its rule starts from."""
        mover = self.optimizer.of(path, self.parameters[path])
        known = {slot: self.slots.get(f"{slot}/{path}", mover.initial(slot)) for slot in mover.slots}
        known |= {kept: self.slots[f"{kept}/{path}"] for kept in mover.after_rule()}
        rate = float(mover.rate(numpy, self.step))
        return mover, known | {"g": self.clipped[path], "w": self.parameters[path], "rate": rate, "t": self.step + 1}

    @cached_property
    def users(self) -> dict[int, list[Node]]:
        """The nodes of the forward pass that use a node."""
        users: dict[int, list[Node]] = {}
        for node in self.forward:
            for value in node.inputs:
                if isinstance(value, Value):
                    users.setdefault(value.node.index, []).append(node)
        return users

    def inlined(self, node: Node) -> bool:
        """Nodes written out inside the next: a weighted sum inside `+ bias`, mere moves."""
        users = self.users.get(node.index, [])
        if node.op is None or node.index == self.loss.node.index or len(users) != 1:
            return False
        if node.op.axes in ("move", "lookup"):
            return True
        user = users[0]
        adds = user.op is not None and user.op.elementwise and user.op.joined == "sum"
        return node.op.joined == "products" and adds and user.path == node.path

    def place(self, node: Node) -> str:
        """The layer that a node is of; outside of all layers, whether the model or the loss made it."""
        if node.path:
            return node.path
        return "model" if self.prediction is not None and node.index <= self.prediction.index else "loss"

    def name(self, node: Node) -> str:
        """What a node is called on a page: "dense.relu", "x", "∂L/∂ dense.sum"."""
        return self._names[node.index]

    def called(self, place: int) -> str:
        """A row of the batch by where it comes from: "row 7 of the data, seven/12.png"."""
        return f"row {self.rows[place]} of the data" + (f", {self.files[place]}" if self.files else "")

    def origin(self, place: int) -> int | str:
        """Where a row of the batch comes from: its row of the data, and its file, if it is one."""
        return f"{self.rows[place]}: {self.files[place]}" if self.files else int(self.rows[place])

    def where(self, node: Node, index: Index) -> str:
        """A number by its place: "dense.relu[3, 1]", "x[3, 0] (sepal_length)"."""
        place = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.name(node)}{place}{self._said(node, index)}"

    def _said(self, node: Node, index: Index) -> str:
        if node.op is None and node.path == "x" and len(index) > 1 and self.features:
            place = int(numpy.ravel_multi_index(index[1:], node.output.shape[1:]))
            return f" ({said(self.features[place], float(node.output[index]))})" if place < len(self.features) else ""
        if node.op is None and node.path == "y" and self.classes and node.output.size == len(self.rows):
            return f" ({self.classes[int(node.output[index])]})"
        return ""

    @cached_property
    def _names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        taken: dict[str, int] = {}
        shown = {node.index for node in self.shown}
        for node in self.tape.nodes:
            if node.backward_of is not None:
                continue
            base = node.path if node.op is None else f"{self.place(node)}.{self.what(node)}"
            if node.index == self.loss.node.index:
                base = "loss"
            elif node.index in shown:
                taken[base] = taken.get(base, 0) + 1
                base += f"#{taken[base]}" if taken[base] > 1 else ""
            names[node.index] = base
        backward = {
            node.index: f"back through {names[node.backward_of]}" for node in self.tape.nodes if node.backward_of
        }
        mine = sorted(self.slopes.items(), key=lambda item: (item[0] not in shown, -item[0]))
        slopes: dict[int, str] = {}
        for index, slope in mine:  # where nodes share a gradient, it is called after the last one that is shown
            slopes.setdefault(slope.index, f"∂L/∂ {names[index]}")
        return {**backward, **names, **slopes}

    def what(self, node: Node) -> str:
        assert node.op is not None
        return (node.path and node.op.called) or node.op.name

    def text(self, node: Node, index: Index, terms: int = TERMS) -> Text:
        """The formula of any number of the tape.

        A gradient is written out down to numbers of the forward pass and to gradients further back.
        """
        if node.backward_of is None:
            return Expression(self.inlined, terms).of(node, index)
        return Expression(self._of_one_rule(node), terms).of(node, index)

    def _of_one_rule(self, slope: Node) -> Callable[[Node], bool]:
        arrived = {node.index for node in self.slopes.values()}
        return lambda node: node.backward_of == slope.backward_of and node.index not in arrived

    def find(self, path: str) -> Node:
        """A layer's output, a node by its name, or what was given. UsageError for what is not there."""
        named = next((node for node in self.shown if self.name(node) == path), None)
        if named is None and path in self.given:
            named = self.given[path]
        if named is None:
            named = self.output(path)
        if named is None:
            raise UsageError(f"there is no layer {path!r}; the layers are {', '.join(self.layers)}")
        return named

    def output(self, path: str) -> Node | None:
        """What a layer gave: its last node that something else uses (a running mean, say, is for the next step)."""
        inside = [node for node in self.forward if f"{node.path}/".startswith(f"{path}/") and is_real(node)]
        if not path or not inside:
            return None
        return next((node for node in reversed(inside) if node.index in self.users), inside[-1])

    def part(self, kind: str, path: str, index: Index = ()) -> Target:
        """What opens a part of this step."""
        return self.target.of(kind, path, *index)


def check_index(name: str, index: Index, shape: tuple[int, ...]) -> None:
    """UsageError for a place that an array of this shape does not have."""
    if len(index) == len(shape) and all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        return
    asked = f"{name}[{','.join(map(str, index))}]"
    if not shape:
        raise UsageError(f"{asked} is not there: {name} is one number; ask for it without a place")
    first, last = ",".join("0" for _ in shape), ",".join(str(n - 1) for n in shape)
    raise UsageError(f"{asked} is not there: {name} goes from [{first}] to [{last}]")


def is_real(node: Node) -> bool:
    """Whether it holds numbers, not indices or marks; NumPy does not count bfloat16 among its own."""
    return node.output.dtype.kind == "f" or node.output.dtype.name == "bfloat16"
