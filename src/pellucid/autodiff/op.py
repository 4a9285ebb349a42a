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
it computes while that side is held fixed, which is smooth and has the slope that the rule promises:

    @relu.corner
    def _(xp, x):
        return xp.sign(x)

    @relu.hold
    def _(xp, side, x):
        return xp.where(side > 0, x, 0)

Where a gradient is checked against a measurement, this tells a corner from a wrong rule.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from pellucid import registry
from pellucid.errors import UsageError

Array = Any
"""An array of any namespace that follows the Array API standard: NumPy, JAX, a JAX tracer."""

OPS: dict[str, Op] = {}
"""Every op by name. The tests, the explanations and the checks walk over it."""

Rule = Callable[..., Any]


class Op:
    """A differentiable piece of arithmetic, callable on Values (recorded) and on arrays (not)."""

    def __init__(
        self,
        forward: Callable[..., Any],
        axes: str,
        formula: str | None = None,
        source: str | None = None,
        leading: bool = False,
    ) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.axes = axes
        self.formula = formula
        self.source = source
        self.leading = leading
        self.rule: Rule | None = None
        self.lifted: Rule | None = None
        """Its forward for many variants at once, where `axes` does not say how: see `lift`."""
        self.side: Op | None = None
        """Which side of its corners each number is on, as an op of the same inputs."""
        self.held: Op | None = None
        """What it computes with the sides held fixed, as an op of (side, *inputs)."""
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
    def differentiable(self) -> bool:
        return self.rule is not None

    def backward(self, rule: Rule) -> Op:
        """Decorates the backward rule; returns the op, so that the rule's name can be `_`."""
        self.rule = rule
        return self

    def lift(self, forward: Rule) -> Op:
        """Decorates the forward for many variants at once, for an op whose `axes` do not say what it does to
        further axes in front: (xp, shape, *inputs, **settings), where each input array has a first axis of
        variants and `shape` is the output's without it. An op without one is run variant by variant."""
        self.lifted = forward
        return self

    def corner(self, side: Rule) -> Op:
        """Decorates what tells on which side of its corners the op is: (xp, *inputs, **settings) to numbers that
        are the same exactly as long as the op stays on one smooth piece; being on a corner is a side too."""
        self.side = Op(side, self.axes, leading=self.leading)
        return self

    def hold(self, forward: Rule) -> Op:
        """Decorates the forward with the sides held fixed: (xp, side, *inputs, **settings). It equals the op
        where the sides are as given, is smooth, and its slope on a corner is the one that the rule promises."""
        self.held = Op(forward, self.axes, leading=self.leading)
        return self

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


def op(
    axes: str = "elementwise", *, formula: str | None = None, source: str | None = None, leading: bool = False
) -> Callable[[Callable[..., Any]], Op]:
    """Registers an op. `axes` names the axes of inputs and output as einops does ("n i, i o -> n o"): an
    index that the output lacks is summed over; "elementwise" where each place stands alone.

    `formula` is the textbook's form where the code computes the same number in a safer way; a test holds
    the two to be equal. `leading` says that all inputs may have one more axis in front, and the output then
    has it too, where `axes` does not say so by its "...".
    """

    def register(forward: Callable[..., Any]) -> Op:
        if forward.__name__ in OPS:
            raise UsageError(f"an op named {forward.__name__!r} is already registered")
        made = OPS[forward.__name__] = Op(forward, axes, formula, source, leading)
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
