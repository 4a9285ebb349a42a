"""What is explained: one training step, and how its numbers are named and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy

from pellucid.autodiff import OPS, Node, Tape, Value
from pellucid.data.tables.category_name import said
from pellucid.errors import UsageError
from pellucid.explain.expression import Expression
from pellucid.explain.text import TERMS, Index, Text

Arrays = Mapping[str, Any]
LINKS = {
    "sparse_softmax_crossentropy": "softmax",
    "softmax_crossentropy": "softmax",
    "sigmoid_crossentropy": "sigmoid",
}
"""For a loss that takes logits: what makes probabilities of them."""


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
    command: str = ""
    """What opens this step on the command line ("pellucid show runs/1 --step 3"); "" in Python, where the pages
    say `step.view.layer("dense")`."""

    @property
    def size(self) -> int:
        return sum(array.size for array in self.parameters.values())

    @cached_property
    def given(self) -> dict[str, Node]:
        """What the pass was given, by name: "x", "y", each weight."""
        rows = self.tape.nodes[: self.loss.node.index]
        return {row.path: row for row in rows if row.op is None and row.backward_of is None}

    def parts(self, name: str) -> dict[str, Node]:
        """What was given under a name: {"x": row}, or of several {"x/left": row, "x/right": row}."""
        return {path: row for path, row in self.given.items() if path == name or path.startswith(f"{name}/")}

    @cached_property
    def forward(self) -> list[Node]:
        """The forward pass, without what was given."""
        rows = self.tape.nodes[: self.loss.node.index + 1]
        return [row for row in rows if row.op is not None and row.backward_of is None]

    @cached_property
    def shown(self) -> list[Node]:
        """The rows of the forward pass that stand for themselves and hold numbers, not indices."""
        return [row for row in self.forward if not self.inlined(row) and is_real(row)]

    @cached_property
    def slopes(self) -> dict[int, Node]:
        """For each row of the forward pass, the row that holds the gradient of the loss with respect to it."""
        return {index: self.tape.nodes[slope] for index, slope in self.tape.slopes.items()}

    @property
    def layers(self) -> list[str]:
        """The paths of the layers that made something."""
        return list(dict.fromkeys(row.path for row in self.forward if row.path))

    @cached_property
    def prediction(self) -> Node | None:
        """What the model gave: the last row before the targets came in."""
        targets = [row.index for row in self.parts("y").values()]
        start = min(targets, default=self.loss.node.index)
        return next((row for row in reversed(self.forward) if row.index < start and is_real(row)), None)

    @cached_property
    def probabilities(self) -> Any:
        """The prediction as a person reads it: of logits, their probabilities."""
        if self.prediction is None:
            return None
        users = [row.op.name for row in self.users.get(self.prediction.index, []) if row.op]
        link = next((LINKS[name] for name in users if name in LINKS), None)
        return OPS[link](self.prediction.output) if link else self.prediction.output

    @cached_property
    def row_losses(self) -> Any:
        """The loss of each row of the batch, or None where the loss is no mean over rows."""
        waiting = [self.loss.node]
        while waiting:
            row = waiting.pop(0)
            if row.op is None or row.op.name not in ("mean", "add", "divide", "multiply", "sum"):
                continue
            inputs = [value for value in row.inputs if isinstance(value, Value)]
            if row.op.name in ("mean", "sum") and inputs[0].shape == (len(self.rows),):
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
        """The rows of the forward pass that use a row."""
        users: dict[int, list[Node]] = {}
        for row in self.forward:
            for value in row.inputs:
                if isinstance(value, Value):
                    users.setdefault(value.node.index, []).append(row)
        return users

    def inlined(self, row: Node) -> bool:
        """Rows written out inside the next: a weighted sum inside `+ bias`, mere moves."""
        users = self.users.get(row.index, [])
        if row.op is None or row.index == self.loss.node.index or len(users) != 1:
            return False
        if row.op.axes == "move":
            return True
        user = users[0]
        weighs = row.op.name in ("matmul", "convolution")
        return weighs and user.op is not None and user.op.name == "add" and user.path == row.path

    def place(self, row: Node) -> str:
        """The layer that a row is of; outside of all layers, whether the model or the loss made it."""
        if row.path:
            return row.path
        return "model" if self.prediction is not None and row.index <= self.prediction.index else "loss"

    def name(self, row: Node) -> str:
        """What a row is called on a page: "dense.relu", "x", "∂L/∂ dense.sum"."""
        return self._names[row.index]

    def called(self, place: int) -> str:
        """A row of the batch by where it comes from: "row 7 of the data, seven/12.png"."""
        return f"row {self.rows[place]} of the data" + (f", {self.files[place]}" if self.files else "")

    def origin(self, place: int) -> int | str:
        """Where a row of the batch comes from: its row of the data, and its file, if it is one."""
        return f"{self.rows[place]}: {self.files[place]}" if self.files else int(self.rows[place])

    def where(self, row: Node, index: Index) -> str:
        """A number by its place: "dense.relu[3, 1]", "x[3, 0] (sepal_length)"."""
        place = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.name(row)}{place}{self._said(row, index)}"

    def _said(self, row: Node, index: Index) -> str:
        if row.op is None and row.path == "x" and len(index) > 1 and self.features:
            place = int(numpy.ravel_multi_index(index[1:], row.output.shape[1:]))
            return f" ({said(self.features[place], float(row.output[index]))})" if place < len(self.features) else ""
        if row.op is None and row.path == "y" and self.classes and row.output.size == len(self.rows):
            return f" ({self.classes[int(row.output[index])]})"
        return ""

    @cached_property
    def _names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        taken: dict[str, int] = {}
        shown = {row.index for row in self.shown}
        for row in self.tape.nodes:
            if row.backward_of is not None:
                continue
            base = row.path if row.op is None else f"{self.place(row)}.{self.what(row)}"
            if row.index == self.loss.node.index:
                base = "loss"
            elif row.index in shown:
                taken[base] = taken.get(base, 0) + 1
                base += f"#{taken[base]}" if taken[base] > 1 else ""
            names[row.index] = base
        backward = {row.index: f"back through {names[row.backward_of]}" for row in self.tape.nodes if row.backward_of}
        mine = sorted(self.slopes.items(), key=lambda item: (item[0] not in shown, -item[0]))
        slopes: dict[int, str] = {}
        for index, slope in mine:  # where rows share a gradient, it is called after the last one that is shown
            slopes.setdefault(slope.index, f"∂L/∂ {names[index]}")
        return {**backward, **names, **slopes}

    def what(self, row: Node) -> str:
        assert row.op is not None
        return "sum" if row.path and row.op.name in ("matmul", "add") else row.op.name

    def text(self, row: Node, index: Index, terms: int = TERMS) -> Text:
        """The formula of any number of the tape.

        A gradient is written out down to numbers of the forward pass and to gradients further back.
        """
        if row.backward_of is None:
            return Expression(self.inlined, terms).of(row, index)
        return Expression(self._of_one_rule(row), terms).of(row, index)

    def _of_one_rule(self, slope: Node) -> Callable[[Node], bool]:
        arrived = {row.index for row in self.slopes.values()}
        return lambda row: row.backward_of == slope.backward_of and row.index not in arrived

    def find(self, path: str) -> Node:
        """A layer's output, a row by its name, or what was given. UsageError for what is not there."""
        named = next((row for row in self.shown if self.name(row) == path), None)
        if named is None and path in self.given:
            named = self.given[path]
        if named is None:
            named = self.output(path)
        if named is None:
            raise UsageError(f"there is no layer {path!r}; the layers are {', '.join(self.layers)}")
        return named

    def output(self, path: str) -> Node | None:
        """What a layer gave: its last row that something else uses (a running mean, say, is for the next step)."""
        inside = [row for row in self.forward if f"{row.path}/".startswith(f"{path}/") and is_real(row)]
        if not path or not inside:
            return None
        return next((row for row in reversed(inside) if row.index in self.users), inside[-1])

    def typed(self, kind: str, path: str, index: Index | None = None) -> str:
        """What to type to see a part: an option of the command, or a call in Python."""
        if self.command:
            place = "" if index is None else f"[{','.join(map(str, index))}]"
            return f'{self.command} --{kind} "{path}{place}"'
        return f'step.view.{kind}("{path}"{"" if index is None else f", {index}"})'


def check_index(name: str, index: Index, shape: tuple[int, ...]) -> None:
    """UsageError for a place that an array of this shape does not have."""
    if len(index) == len(shape) and all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        return
    asked = f"{name}[{','.join(map(str, index))}]"
    if not shape:
        raise UsageError(f"{asked} is not there: {name} is one number; ask for it without a place")
    first, last = ",".join("0" for _ in shape), ",".join(str(n - 1) for n in shape)
    raise UsageError(f"{asked} is not there: {name} goes from [{first}] to [{last}]")


def is_real(row: Node) -> bool:
    """Whether it holds numbers, not indices or marks; NumPy does not count bfloat16 among its own."""
    return row.output.dtype.kind == "f" or row.output.dtype.name == "bfloat16"
