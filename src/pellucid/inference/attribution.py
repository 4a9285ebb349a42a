"""Which inputs pushed an output, and how far: gradient × input, with its proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy

from pellucid.arguments import whole
from pellucid.autodiff import Array, Node, Tape, Value, gradients, ops
from pellucid.autodiff.random import permutation
from pellucid.data.dataset import Numbers, input_of
from pellucid.data.named import Named, each, flat, gathered
from pellucid.engine.step import given
from pellucid.errors import ShapeError, UsageError
from pellucid.gradcheck import GradientReport, check
from pellucid.models.model import Model
from pellucid.pages.number import number
from pellucid.pages.picture import summed

Place = int | str | Sequence[int | str] | None

SHADES = "≡=-· ░▒▓█"
"""What pulls the output down and what pushes it up, by quarters of the largest."""
LINES, COLUMNS = 32, 72
"""A picture is drawn no larger: neighbours are added up."""


def attribution(
    model: Model, x: Any, output: Place = None, *, sample: int | None = 100, tolerance: float = 1e-6
) -> Attribution:
    """What each input of one row adds to one output number f: the input times its gradient by back-propagation.

    c_i = x_i · ∂f/∂x_i, in float64, dropout off. They add up to f(x) - f(0) where f is linear; `gap` says how far off
    they are. Each gradient, or a sample of them, is held to central finite differences of f: `report`. An input that
    is the number of a word, picking the row e of an embedding's table, has c_i = Σ_d e_d · ∂f/∂e_d, added up over all
    tables that it picks from; f(0) then has zeros for these rows.

    Args:
        x: one row, (1, …), or several inputs by name.
        output: which number of what `model.predict` gives: a class, 7; a place, (step, class); ("box", 2) where
            outputs have names. None, or "box": the largest.
        sample: how many gradients are measured; None for all.
        tolerance: the relative distance up to which two gradients agree.

    Raises ShapeError for more than one row; UsageError for an output that is not there, a sample below 1, and inputs
    that are reckoned with before they pick rows of a table, so that no row stands for one of them.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(2)])
    >>> model.load_parameters({"dense/kernel": [[1.0, 2.0], [0.5, -3.0]], "dense/bias": [0.25, 0.5]})
    >>> found = pl.attribution(model, np.array([[4.0, 2.0]]), output=1)
    >>> found.contributions.tolist(), found.output, found.baseline, found.gap, found.ok
    ([8.0, -6.0], 2.5, 0.5, 0.0, True)
    >>> print("\\n".join(found.to_text(labels=["sugar", "salt"]).splitlines()[:3]))
    output[1] is 2.5, with zeros for inputs 0.5; each input times its gradient adds +2 to that, +0 off
       8  ████████  sugar
      -6  ≡≡≡≡≡≡    salt

    Source: Shrikumar et al. (2016), arXiv:1605.01713; Baehrens et al. (2010), jmlr.org/papers/v11/baehrens10a.html.
    """
    if sample is not None:
        whole("sample", sample)
    rows = each(lambda a: a.astype("float64"), input_of(x, "float64"))
    if odd := {name: a.shape for name, a in flat("x", rows).items() if len(a) != 1}:
        raise ShapeError(f"attribution explains one row, but the shapes are {odd}: give the model one, as x[3:4]")
    model.build(rows)
    tape = Tape(_wide(model.parameters()), untrained=_wide(model.untrained()))
    inputs = given(tape, "x", rows)
    label, f = _one_number(model(inputs), output)
    numbers = _numbered(flat("x", inputs))
    sources = _sources(tape, flat("x", inputs), numbers)
    slopes = {s.name: g.array for s, g in zip(sources, gradients(f, [s.value for s in sources]), strict=True)}
    report = check(f, {s.name: s.value for s in sources}, slopes, tolerance=tolerance, at=_drawn(sources, sample))
    total = numpy.zeros(sum(a.size for a in numbers.values()))
    for s in sources:
        numpy.add.at(total, s.inputs, (s.value.array * slopes[s.name]).reshape(len(s.inputs), -1).sum(axis=1))
    zeroed = _again(tape.nodes[: f.node.index + 1], {s.value.node.index: s.zeroed for s in sources})
    contributions = gathered("x", {path: total[places] for path, places in numbers.items()})
    return Attribution(
        each(lambda a: a[0], rows),
        each(lambda a: a[0], contributions),
        float(f.array),
        float(zeroed.get(f.node.index, f.array)),
        label,
        report,
    )


@dataclass(frozen=True)
class Attribution:
    """What each input of one row adds to one output number. `show()` prints it."""

    x: Named
    """The row, or each of its inputs by name, without the axis of rows."""
    contributions: Named
    """Gradient × input, in the shape of x."""
    output: float
    baseline: float
    """The same output where every input, or every row that an input picks, is zero."""
    label: str
    """Which output it is, as output[7] or digit[7]."""
    report: GradientReport = field(repr=False)
    """The gradients both ways."""

    @property
    def ok(self) -> bool:
        """Whether no gradient that was measured is wrong."""
        return self.report.ok

    @property
    def gap(self) -> float:
        """The sum of all contributions less what it is to explain, output - baseline; 0 where the output is linear."""
        return self.total - (self.output - self.baseline)

    @property
    def total(self) -> float:
        """The sum of all contributions."""
        return float(sum(a.sum() for a in flat("x", self.contributions).values()))

    def show(self, labels: Any = None, top: int = 10, upright: bool = False) -> None:
        """Prints it; the arguments are those of `to_text`."""
        print(self.to_text(labels, top, upright))

    def to_text(self, labels: Any = None, top: int = 10, upright: bool = False) -> str:
        """A list of the largest contributions, or a picture of all of them where an input has rows and columns.

        labels: the name of each input of a list, as the words of a sentence; {name: labels} for several inputs.
        top: how many are listed. upright: the first axis to the right and the second upwards, as for the moments and
            pitches of a spectrogram.

        Raises UsageError where there is not one label for each input.
        """
        lines = [
            f"{self.label} is {number(self.output, 5)}, with zeros for inputs {number(self.baseline, 5)}; each input "
            f"times its gradient adds {self.total:+.5g} to that, {self.gap:+.5g} off"
        ]
        for path, parts in flat("x", self.contributions).items():
            named = labels.get(path.removeprefix("x/")) if isinstance(labels, Mapping) else labels
            if path != "x":
                lines.append(f"{path.removeprefix('x/')}:")
            lines += _picture(parts, upright) if parts.ndim in (2, 3) else _list(parts, named, top)
        said = str(self.report)
        return "\n".join([*lines, said.splitlines()[0] if self.ok else said])

    def __str__(self) -> str:
        return self.to_text()


class _Source(NamedTuple):
    """Numbers on the tape that a gradient is taken of: an input, or the rows of a table that an input picks."""

    name: str
    value: Value
    inputs: Numbers
    """(k,) the input that each of k equal parts of the value belongs to."""
    measured: Numbers
    """The places of the value that may be changed by a little."""
    zeroed: Array


def _wide(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {path: a.astype("float64") for path, a in arrays.items()}


def _one_number(y_pred: Named, output: Place) -> tuple[str, Value]:
    """A name for one number of a prediction, and that number."""
    place = () if output is None else (output,) if isinstance(output, int | str | numpy.integer) else tuple(output)
    part, label = y_pred, "output"
    if isinstance(y_pred, Mapping):
        if not place or place[0] not in y_pred:
            raise UsageError(
                f"output={output!r}: the network has the outputs {', '.join(y_pred)}: name one, as "
                f"output=({next(iter(y_pred))!r}, 0)"
            )
        label, place = str(place[0]), place[1:]
        part = y_pred[label]
    shape = part.shape[1:]
    place = tuple(place) or tuple(int(i) for i in numpy.unravel_index(numpy.argmax(part.array), shape))
    if len(place) != len(shape) or not all(
        isinstance(i, int | numpy.integer) and 0 <= i < n for i, n in zip(place, shape, strict=True)
    ):
        raise UsageError(f"output={output!r} is no place in {label}, whose shape for a row is {shape}")
    start = int(numpy.ravel_multi_index([int(i) for i in place], shape)) if shape else 0
    one = ops.columns(ops.reshape(part, shape=(-1,)), start=start, stop=start + 1)
    return label + (f"[{', '.join(str(i) for i in place)}]" if shape else ""), ops.reshape(one, shape=())


def _numbered(given: Mapping[str, Value]) -> dict[str, Numbers]:
    """All inputs counted: an array of whole numbers in the shape of each."""
    numbers: dict[str, Numbers] = {}
    start = 0
    for path, value in given.items():
        numbers[path] = start + numpy.arange(value.array.size).reshape(value.shape)
        start += value.array.size
    return numbers


def _sources(tape: Tape, given: Mapping[str, Value], numbers: Mapping[str, Numbers]) -> list[_Source]:
    """The rows of tables that inputs pick, and the inputs that do not pick any."""
    marked = {value.node.index: numbers[path].astype("float64") for path, value in given.items()}
    rows: list[_Source] = []
    for row in list(tape.nodes):
        index = row.inputs[1] if row.op is ops.take_rows else None
        if not isinstance(index, Value):
            continue
        # The numbers of the inputs go the way of the inputs: what arrives here says which of them is the index.
        found = _again(tape.nodes[: index.node.index + 1], marked).get(index.node.index)
        if found is not None:
            _check_moved(given, index, found, row.path)
            # An index has no slope. Off the tape's ways, it is not moved by a little where the gradients are checked.
            tape.nodes[row.index] = row = replace(row, inputs=(row.inputs[0], index.array))
            count = sum(s.name.split(" ")[0] == row.path for s in rows)
            name = f"{row.path} ({count + 1})" if count else row.path
            everywhere, zeros = numpy.arange(row.output.size), numpy.zeros(row.output.shape)
            rows.append(_Source(name, Value(tape, row), found.reshape(-1), everywhere, zeros))
    picking = numpy.concatenate([s.inputs for s in rows]) if rows else numpy.zeros(0, int)
    out: list[_Source] = []
    for path, value in given.items():
        free = ~numpy.isin(numbers[path], picking)
        if free.any():
            zeroed = numpy.where(free, 0.0, value.array)
            out.append(_Source(path, value, numbers[path].reshape(-1), numpy.flatnonzero(free), zeroed))
    return out + rows


def _check_moved(given: Mapping[str, Value], index: Value, found: Numbers, path: str) -> None:
    """UsageError where an index is not one of the inputs as it was given, but something made of them."""
    values = numpy.concatenate([value.array.reshape(-1) for value in given.values()])
    inside = (found >= 0) & (found < values.size)
    if not inside.all() or (values[found].astype(int) != index.array).any():
        raise UsageError(
            f"{path} picks rows of its table by numbers that are worked out from the inputs; only inputs that are row "
            "numbers themselves can be given their share"
        )


def _again(rows: Sequence[Node], changed: Mapping[int, Array]) -> dict[int, Array]:
    """What the rows give, by index, that others in their midst being changed reaches."""
    done = dict(changed)
    with numpy.errstate(all="ignore"):
        for row in rows:
            reached = any(isinstance(v, Value) and v.node.index in done for v in row.inputs)
            if row.op is not None and row.index not in done and reached:
                arrays = [done.get(v.node.index, v.array) if isinstance(v, Value) else v for v in row.inputs]
                done[row.index] = numpy.asarray(row.op.forward(numpy, *arrays, **row.settings))
    return done


def _drawn(sources: Sequence[_Source], sample: int | None) -> dict[str, Numbers]:
    """The places of each source to measure, equally many of each as far as it has them; those of zeros last, whose
    gradients add nothing."""
    left = sum(len(s.measured) for s in sources) if sample is None else sample
    chosen: dict[str, Numbers] = {}
    for k, s in enumerate(sorted(sources, key=lambda s: len(s.measured))):
        share = min(len(s.measured), left // (len(sources) - k))
        places = s.measured[permutation(len(s.measured), 0, "attribution", s.name)]
        idle = s.value.array.reshape(-1)[places] == 0
        chosen[s.name], left = places[numpy.argsort(idle, kind="stable")][:share], left - share
    return chosen


def _list(parts: Numbers, labels: Sequence[str] | None, top: int) -> list[str]:
    """The largest contributions with a bar each, largest first."""
    names = [", ".join(str(i) for i in place) for place in numpy.ndindex(parts.shape)] if labels is None else labels
    if len(names) != parts.size:
        raise UsageError(f"{len(names)} labels for {parts.size} inputs: give one for each")
    values: list[float] = parts.reshape(-1).tolist()
    first = [i for i in sorted(range(len(values)), key=lambda i: -abs(values[i]))[:top] if values[i]]
    texts = {i: number(values[i], 3) for i in first}
    wide = max(map(len, texts.values()), default=0)
    bars = {i: SHADES[-1 if values[i] > 0 else 0] * max(1, round(8 * abs(values[i] / values[first[0]]))) for i in first}
    return [f"  {texts[i]:>{wide}}  {bars[i]:<8}  {names[i]}" for i in first]


def _picture(parts: Numbers, upright: bool) -> list[str]:
    """Rows and columns as shades; channels are added up, and neighbours where there are too many."""
    grid = numpy.nan_to_num(parts.sum(axis=2) if parts.ndim == 3 else parts)
    grid = grid.T[::-1] if upright else grid
    grid = summed(grid, (-(-grid.shape[0] // LINES), -(-grid.shape[1] // COLUMNS)))
    most = float(abs(grid).max())
    shades = numpy.array(list(SHADES))[numpy.rint(4 * grid / (most or 1.0)).astype(int) + 4]
    width = 2 if 2 * grid.shape[1] <= COLUMNS else 1
    lines = ["".join(shade * width for shade in line).rstrip() for line in shades]
    inked = [i for i, line in enumerate(lines) if line] or [0]
    lines = lines[inked[0] : inked[-1] + 1]
    return [*lines, f"{SHADES[5:]} adds, {SHADES[3::-1]} takes away; {SHADES[-1]} is {number(most, 3)}"]
