"""What every initializer is: a function of (shape, seed, path) that makes the first values of a weight."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any

import numpy as np

from pellucid.autodiff import random
from pellucid.errors import UsageError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer(ABC):
    """Makes the first values of a weight."""

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

    def to_json(self) -> dict[str, Any]:
        """The initializer as plain values: its class name under "initializer", then each field.

        >>> from pellucid.nn.initializers import RandomNormal
        >>> RandomNormal(stddev=0.1).to_json()
        {'initializer': 'RandomNormal', 'mean': 0.0, 'stddev': 0.1}
        """
        return {"initializer": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields(self)}


def check(owner: Initializer, name: str, low: float) -> None:
    """Raises UsageError where a setting is no finite number, or below `low`."""
    value = getattr(owner, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and isfinite(value) and value >= low):
        bound = "a finite number" if low == -inf else f"a number of at least {low}"
        raise UsageError(f"{type(owner).__name__}: {name} is {value!r}; expected {bound}")
