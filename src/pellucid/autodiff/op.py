"""An op is defined in one place: its arithmetic, and the rule that carries a gradient back through it.

    @op("... i, i o -> ... o")
    def matmul(xp, x, w):
        '''Each output number is a row of x times a column of w, added up.'''
        return xp.matmul(x, w)

    @matmul.backward
    def _(dy, y, x, w):
        return dy @ swap_last(w), swap_last(x) @ dy

`xp` is the arrays' own namespace, so the same line runs on NumPy arrays, JAX arrays and JAX tracers.
A rule gets the gradient of the loss with respect to the output (`dy`), the output and the inputs, and
returns a gradient for each input (None: there is none). It is written with ops, so it lands on the tape
like any other arithmetic: it can be shown, compiled, and differentiated again.

An op with corners (a relu at 0, a maximum that changes hands) also says on which side of them it is, and what
it computes while that branch stays fixed, which is smooth and has the slope that the rule promises:

    @relu.corner
    def _(xp, x):
        return xp.sign(x)

    @relu.fix
    def _(xp, side, x):
        return xp.where(side > 0, x, 0)

Where a gradient is checked against a measurement, this tells a corner from a wrong rule.

What a page needs to explain a number is said here too, in plain facts: how one number reads (`formula`), or how the
op joins numbers (`joined`), and which ones where its `axes` do not tell:

    @at_time.origin
    def _(index, y, x, *, step):
        return Moved(0, (index[0], step % x.shape[1], *index[1:]))

So whoever explains, checks or exports a pass asks the op, and goes by no op's name.
"""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy

from pellucid import registry
from pellucid.autodiff.origin import Index, Joins, Origin, by_axes
from pellucid.errors import UsageError

Array = Any
"""An array of any namespace that follows the Array API standard: NumPy, JAX, a JAX tracer."""

OPS: dict[str, Op] = {}
"""Every op by name. The tests, the explanations and the checks walk over it."""

Rule = Callable[..., Any]


class Facts(TypedDict, total=False):
    """What may be said of an op beside its arithmetic and its axes."""

    formula: str
    """How one number reads in the textbook, in Python's arithmetic, with the names of inputs and settings. A test holds
    the code to it, which may compute the number in a safer way. Of an axis that the output lacks, the name of an input
    stands for all its numbers: "log(sum(exp(x)))"."""
    source: str
    """Who published it."""
    joined: Joins
    """How it joins the numbers along the axes that its output lacks; of an elementwise op, those at one place."""
    called: str
    """What a layer's page calls its output, if not by the op's name: the "sum" of a unit."""
    scales: bool
    """Whether its output is its first input in another scale, place by place."""
    range: tuple[float, float]
    """Of an activation: the numbers between which all that it gives lies."""
    probabilities: Op
    """The op that makes probabilities of the scores which this loss takes."""
    spatial: bool
    """Whether its inputs are (…, *spatial, channels), each channel of which stands alone, with any axes in front."""
    onnx: str
    """The ONNX operator that is its nearest kin; none where there is none."""


class Op:
    """A differentiable piece of arithmetic, callable on Values (recorded) and on arrays (not)."""

    def __init__(self, forward: Callable[..., Any], axes: str, **facts: Unpack[Facts]) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.axes = axes
        self.formula = facts.get("formula")
        self.source = facts.get("source")
        self.joined: Joins = facts.get("joined", "")
        self.called = facts.get("called", "")
        self.scales = facts.get("scales", False)
        self.range = facts.get("range")
        self.probabilities = facts.get("probabilities")
        self.spatial = facts.get("spatial", False)
        self.onnx = facts.get("onnx", "")
        self.rule: Rule | None = None
        self.batched: Rule | None = None
        """Its forward for many variants at once, where `axes` does not say how: see `batch`."""
        self.side: Op | None = None
        """Which side of its corners each number is on, as an op of the same inputs."""
        self.fixed: Op | None = None
        """What it computes with its branches fixed, as an op of (side, *inputs)."""
        self.made_of: Rule | None = None
        """What one number was made from, where `axes` and `joined` do not say: see `origin`."""
        self.__doc__ = forward.__doc__
        self.__name__ = forward.__name__
        self.__wrapped__ = forward

    def __repr__(self) -> str:
        return f"Op({self.name})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Op:
        """Itself, as a function is: a copied model has the same ops."""
        return self

    @property
    def elementwise(self) -> bool:
        """Whether each output number depends on the numbers at the same place of the inputs alone."""
        return self.axes == "elementwise"

    @property
    def saturates(self) -> bool:
        """Whether it can come to an end of its range, where its slope is 0, at either side."""
        return self.elementwise and self.range is not None and all(map(math.isfinite, self.range))

    @property
    def differentiable(self) -> bool:
        return self.rule is not None

    def backward(self, rule: Rule) -> Op:
        """Decorates the backward rule; returns the op, so that the rule's name can be `_`."""
        self.rule = rule
        return self

    def batch(self, forward: Rule) -> Op:
        """Decorates the forward for a batch of variants, for an op whose `axes` do not say what it does to
        further axes in front: (xp, shape, *inputs, **settings), where each input array has a first axis of
        variants and `shape` is the output's without it. An op without one is run variant by variant.

        To batch is to run an op once on many variants of its inputs, one for each weight that is changed, where a loop
        would run it for each: so 100,000 gradients are measured in a second."""
        self.batched = forward
        return self

    def corner(self, side: Rule) -> Op:
        """Decorates what tells on which side of its corners the op is: (xp, *inputs, **settings) to numbers that
        are the same exactly as long as the op stays on one smooth piece; being on a corner is a side too."""
        self.side = Op(side, self.axes, spatial=self.spatial)
        return self

    def fix(self, forward: Rule) -> Op:
        """Decorates the forward with the branches fixed: (xp, side, *inputs, **settings). It equals the op
        where the sides are as given, is smooth, and its slope on a corner is the one that the rule promises."""
        self.fixed = Op(forward, self.axes, spatial=self.spatial)
        return self

    def origin(self, rule: Rule) -> Op:
        """Decorates what tells where a number came from: (index, y, *inputs, **settings), arrays all, to an `Origin`
        (origin.py): for an op that only moves numbers, and for one that joins numbers in a way of its own."""
        self.made_of = rule
        return self

    def origin_of(self, index: Index, y: Array, inputs: Sequence[Any], settings: Mapping[str, Any]) -> Origin | None:
        """What the number of y at `index` was made from; None where the op says no more than its formula."""
        if self.made_of is not None:
            return self.made_of(index, y, *inputs, **settings)
        return by_axes(self.axes, self.joined, index, inputs, settings)

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        tape = None
        for value in inputs:
            if (its := getattr(value, "tape", None)) is not None:  # a Value; an array is on none
                if tape is not None and its is not tape:
                    raise UsageError(f"{self.name}: its inputs are on two tapes; run both in one pass")
                tape = its
        if tape is None:
            return self._computed(inputs, settings)
        # An array from outside becomes a node too: a tape refers to nothing but itself.
        inputs = tuple(tape.given("constant", v) if _is_array(v) else v for v in inputs)
        arrays = [value.array if hasattr(value, "tape") else value for value in inputs]
        return tape.record(self, inputs, settings, self._computed(arrays, settings))

    def _computed(self, arrays: Sequence[Any], settings: Mapping[str, Any]) -> Array:
        xp = namespace(*arrays)
        return xp.asarray(self.forward(xp, *arrays, **settings))

    def code(self) -> str:
        """The source text of the forward function, without its decorator."""
        text = textwrap.dedent(inspect.getsource(self.forward))
        return text[text.index("def ") :]


def op(axes: str = "elementwise", **facts: Unpack[Facts]) -> Callable[[Callable[..., Any]], Op]:
    """Registers an op, with what else is to be known of it (`Facts`).

    `axes` names the axes of inputs and output as einops does ("n i, i o -> n o"): an index that the output lacks is
    joined over. Or it names a kind: "elementwise" where each place stands alone, "reduce" for an op with the settings
    axis and keepdims, "move" where numbers only change places, "lookup" for rows of a table by index, "convolution" and
    "windows" for moving windows; an op that is none of these gives its own name.
    """

    def register(forward: Callable[..., Any]) -> Op:
        if forward.__name__ in OPS:
            raise UsageError(f"an op named {forward.__name__!r} is already registered")
        made = OPS[forward.__name__] = Op(forward, axes, **facts)
        return registry.register(made)

    return register


def namespace(*arrays: Array) -> Any:
    """The Array API namespace of the first array whose library is not NumPy, else NumPy."""
    for array in arrays:
        if not isinstance(array, numpy.ndarray | numpy.generic) and hasattr(array, "__array_namespace__"):
            return array.__array_namespace__()
    return numpy


def _is_array(value: Any) -> bool:
    """Whether it is an array that is on no tape."""
    return hasattr(value, "shape") and not hasattr(value, "tape")
