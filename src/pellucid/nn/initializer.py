"""What every initializer is: a function of (shape, seed, path) that makes the first values of a weight."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, ClassVar

import numpy as np

from pellucid.autodiff import random
from pellucid.errors import UsageError
from pellucid.registry import Configured

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer(Configured, ABC):
    """Makes the first values of a weight."""

    tag: ClassVar[str] = "initializer"

    def __call__(self, shape: Shape, seed: int, path: str, dtype: Any = np.float32) -> Any:
        """A NumPy array of the shape and dtype, computed in float64 and then rounded.

        >>> from pellucid.nn.initializers import GlorotUniform
        >>> GlorotUniform()((2, 2), seed=0, path="dense/kernel", dtype="float64").round(6)
        array([[-1.174537, -0.482747],
               [ 0.183486,  1.1837  ]])
        """
        return self.draw(shape, seed, path).astype(dtype)

    @abstractmethod
    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        """The values in float64."""


def check(owner: Initializer, name: str, low: float) -> None:
    """Raises UsageError where a setting is no finite number, or below `low`."""
    value = getattr(owner, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and isfinite(value) and value >= low):
        bound = "a finite number" if low == -inf else f"a number of at least {low}"
        raise UsageError(f"{type(owner).__name__}: {name} is {value!r}; expected {bound}")
