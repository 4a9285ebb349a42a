"""What keeps weights small: a price for their size, which is part of the loss, or a limit after each update.

    pl.Dense(8, kernel_regularizer="l2")                       loss + 0.01 · Σ kernel²
    pl.Dense(8, kernel_constraint=pl.MaxNorm(2))               each column of the kernel has length 2 at most

A price is put on the tape behind the loss, in training and in evaluation, so that it is shown, differentiated and
checked like everything else. A limit is a pure function of the weights, so that a step can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from pellucid.autodiff import Array, Value, ops
from pellucid.errors import UsageError
from pellucid.registry import Configured


@dataclass(frozen=True)
class _Checked(Configured):
    """A class with plain numbers for settings."""

    def check(self, *names: str) -> None:
        """Raise UsageError unless each setting named is a number, 0 or more."""
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UsageError(f"{type(self).__name__}({name}={value!r}): it is a number, 0 or more")


@dataclass(frozen=True)
class Regularizer(_Checked):
    """The base of every price: called on a weight, it gives what the weight's size adds to the loss."""

    tag: ClassVar[str] = "regularizer"

    def __call__(self, w: Value) -> Value:
        raise NotImplementedError


@dataclass(frozen=True)
class L1(Regularizer):
    """`l1 · Σ |w|`: pulls each weight towards 0 by the same force, so that some become 0 (lasso).

    Raises UsageError for an l1 below 0. Source: Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x.
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        self.check("l1")

    def __call__(self, w: Value) -> Value:
        return ops.sum(ops.absolute(w)) * self.l1


@dataclass(frozen=True)
class L2(Regularizer):
    """`l2 · Σ w²`: pulls each weight towards 0 in proportion to its size (ridge).

    Raises UsageError for an l2 below 0. Source: Hoerl, Kennard (1970), doi:10.1080/00401706.1970.10488634.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(1, kernel_initializer="ones", kernel_regularizer=pl.L2(0.5))])
    >>> model.compile(loss="mean_squared_error")
    >>> x, y = np.array([[1.0, 2.0]]), np.array([[3.0]])
    >>> float(model.evaluate(x, y)["loss"])  # nothing is wrong but the size of two weights
    1.0
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        self.check("l2")

    def __call__(self, w: Value) -> Value:
        return ops.sum(ops.square(w)) * self.l2


@dataclass(frozen=True)
class L1L2(Regularizer):
    """`l1 · Σ |w| + l2 · Σ w²` (elastic net). By the name "l1_l2" both are 0.01.

    Raises UsageError for a factor below 0. Source: Zou, Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        self.check("l1", "l2")

    def __call__(self, w: Value) -> Value:
        return L1(self.l1)(w) + L2(self.l2)(w)


@dataclass(frozen=True)
class Constraint(_Checked):
    """The base of every limit: called on a weight after its update, it gives the weight that is kept."""

    tag: ClassVar[str] = "constraint"

    def __call__(self, xp: Any, w: Array) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Vectors along `axis` longer than max_value are cut to that length: `w · max_value / max(‖w‖, max_value)`.

    For a dense kernel (in, units) axis 0 is the weights that come into one unit. A shorter vector keeps its bits (Keras
    divides by ‖w‖ + 1e-7). Raises UsageError for a max_value below 0.

    >>> import numpy as np
    >>> MaxNorm(1.0)(np, np.array([[3.0, 0.3], [4.0, 0.4]]))
    array([[0.6, 0.3],
           [0.8, 0.4]])

    Source: Srivastava et al. (2014), jmlr.org/papers/v15/srivastava14a.html, section 5.1.
    """

    max_value: float = 2.0
    axis: int | tuple[int, ...] | list[int] = 0

    def __post_init__(self) -> None:
        self.check("max_value")
        if isinstance(self.axis, list):
            object.__setattr__(self, "axis", tuple(self.axis))

    def __call__(self, xp: Any, w: Array) -> Array:
        length = xp.sqrt(xp.sum(w * w, axis=self.axis, keepdims=True))
        # Where max_value is 0, the length of a zero vector is not divided by.
        longest = xp.where(length > self.max_value, length, 1.0)
        return w * xp.where(length > self.max_value, self.max_value, 1.0) / longest


BY_NAME: dict[str, Regularizer | Constraint] = {
    "l1": L1(),
    "l2": L2(),
    "l1_l2": L1L2(0.01, 0.01),
    "max_norm": MaxNorm(),
}


Kind = TypeVar("Kind", Regularizer, Constraint)


def regularizer(given: str | Regularizer | None) -> Regularizer | None:
    """The price of a Keras name, or the object as it is; UsageError for another name.

    >>> regularizer("l2")
    L2(l2=0.01)
    """
    return _get(given, Regularizer)


def constraint(given: str | Constraint | None) -> Constraint | None:
    """The limit of a Keras name, or the object as it is; UsageError for another name.

    >>> constraint("max_norm")
    MaxNorm(max_value=2.0, axis=0)
    """
    return _get(given, Constraint)


def _get(given: str | Kind | None, kind: type[Kind]) -> Kind | None:
    if given is None or isinstance(given, kind):
        return given
    names = [name for name, found in BY_NAME.items() if isinstance(found, kind)]
    found = BY_NAME.get(str(given).lower())
    if isinstance(found, kind):
        return found
    near = get_close_matches(str(given).lower(), names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
    raise UsageError(f"unknown {kind.tag} {given!r}; {hint}")
