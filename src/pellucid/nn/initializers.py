"""The first weights: small random numbers, sized so that a signal neither grows nor dies on its way through.

An initializer is a function of (shape, seed, path, dtype). Each number depends on the seed, the weight's path
and its index alone, so it does not matter in which order the layers are made, nor what else is in the model.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, prod, sqrt
from typing import ClassVar

import numpy as np

from pellucid.autodiff import random
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.initializer import Initializer, Shape, check

# Of a normal bell cut at two standard deviations: the share below the cut, and the deviation that is left.
BELOW_CUT = 0.022750131948179195
CUT_DEVIATION = 0.87962566103423978


def fans(shape: Shape) -> tuple[int, int]:
    """How many numbers feed one output of a weight of this shape, and how many outputs one number feeds.

    (inputs, outputs) of a dense kernel; each times the window's size for a convolution's
    (height, width, inputs, outputs); both the length of a vector.

    >>> fans((784, 128)), fans((3, 3, 16, 32)), fans((10,))
    ((784, 128), (144, 288), (10, 10))
    """
    if len(shape) < 2:
        return prod(shape), prod(shape)
    window = prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


@dataclass(frozen=True)
class _Scaled(Initializer):
    """Variance `scale / fan`, where fan counts the inputs, or is the mean of inputs and outputs."""

    scale: ClassVar[float] = 1.0
    average: ClassVar[bool] = False

    def variance(self, shape: Shape) -> float:
        """The variance of the numbers drawn for this shape, before they are rounded to a dtype.

        >>> GlorotUniform().variance((784, 128)) == 2 / (784 + 128)
        True
        """
        fan_in, fan_out = fans(shape)
        return self.scale / max(1.0, (fan_in + fan_out) / 2 if self.average else fan_in)


@dataclass(frozen=True)
class _ScaledUniform(_Scaled):
    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        return _between(shape, seed, path, sqrt(3 * self.variance(shape)))


@dataclass(frozen=True)
class _ScaledNormal(_Scaled):
    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        # Cutting the bell makes it narrower; the division makes the variance whole again.
        return _cut_normal(shape, seed, path) * (sqrt(self.variance(shape)) / CUT_DEVIATION)


def _between(shape: Shape, seed: int, path: str, limit: float) -> random.Real:
    return (2 * random.uniform(seed, "initializer", path, shape=shape) - 1) * limit


def _cut_normal(shape: Shape, seed: int, path: str) -> random.Real:
    u = random.uniform(seed, "initializer", path, shape=shape)
    return random.normal_quantile(BELOW_CUT + (1 - 2 * BELOW_CUT) * u)


@dataclass(frozen=True)
class GlorotUniform(_ScaledUniform):
    """Equally likely anywhere in -limit … limit, `limit = √(6 / (fan_in + fan_out))`: for tanh and sigmoid.

    >>> bool(abs(GlorotUniform()((100, 50), 0, "w")).max() < 0.2)
    True

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (2010), proceedings.mlr.press/v9/glorot10a.html.
    """

    average: ClassVar[bool] = True


@dataclass(frozen=True)
class GlorotNormal(_ScaledNormal):
    """A bell cut at two of its deviations, of variance `2 / (fan_in + fan_out)`.

    >>> round(float(GlorotNormal()((100, 100), 0, "w").var()), 3)
    0.01

    Source: Glorot, Bengio (2010), proceedings.mlr.press/v9/glorot10a.html.
    """

    average: ClassVar[bool] = True


@dataclass(frozen=True)
class HeUniform(_ScaledUniform):
    """Equally likely anywhere in -limit … limit, `limit = √(6 / fan_in)`: for relu, which halves the signal.

    >>> bool(abs(HeUniform()((6, 50), 0, "w")).max() < 1)
    True

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015), doi:10.1109/ICCV.2015.123.
    """

    scale: ClassVar[float] = 2.0


@dataclass(frozen=True)
class HeNormal(_ScaledNormal):
    """A bell cut at two of its deviations, of variance `2 / fan_in`.

    >>> round(float(HeNormal()((200, 100), 0, "w").var()), 3)
    0.01

    Source: He, Zhang, Ren, Sun (2015), doi:10.1109/ICCV.2015.123.
    """

    scale: ClassVar[float] = 2.0


@dataclass(frozen=True)
class LecunUniform(_ScaledUniform):
    """Equally likely anywhere in -limit … limit, `limit = √(3 / fan_in)`: for selu.

    >>> bool(abs(LecunUniform()((3, 50), 0, "w")).max() < 1)
    True

    Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), doi:10.1007/3-540-49430-8_2.
    """


@dataclass(frozen=True)
class LecunNormal(_ScaledNormal):
    """A bell cut at two of its deviations, of variance `1 / fan_in`.

    >>> round(float(LecunNormal()((100, 200), 0, "w").var()), 3)
    0.01

    Source: LeCun, Bottou, Orr, Müller (1998), doi:10.1007/3-540-49430-8_2.
    """


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """The bell curve, whole: `mean + stddev · z`. Raises UsageError for a stddev below 0.

    >>> round(float(RandomNormal()((100, 100), 0, "w").std()), 2)
    0.05
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check(self, "mean", -inf)
        check(self, "stddev", 0)

    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        return self.mean + self.stddev * random.normal(seed, "initializer", path, shape=shape)


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Equally likely anywhere in minval … maxval. Raises UsageError unless minval <= maxval.

    >>> bool(abs(RandomUniform()((9, 9), 0, "w")).max() <= 0.05)
    True
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        check(self, "minval", -inf)
        check(self, "maxval", self.minval)

    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        middle, half = (self.minval + self.maxval) / 2, (self.maxval - self.minval) / 2
        return middle + _between(shape, seed, path, half)


@dataclass(frozen=True)
class Zeros(Initializer):
    """Every number is 0, as a bias starts.

    >>> Zeros()((2,), 0, "b")
    array([0., 0.], dtype=float32)
    """

    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """Every number is 1, as a gain starts.

    >>> Ones()((2,), 0, "gain")
    array([1., 1.], dtype=float32)
    """

    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        return np.ones(shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random rotation times `gain`: rows, or columns where they are fewer, of length gain at right angles.

    Q of the QR decomposition of a matrix of normal numbers, each column turned so that R's diagonal is
    positive, which makes every rotation equally likely. A shape of more than two axes is taken as a matrix
    of (all but the last, last). Its last bits depend on the machine's LAPACK. Raises ShapeError for fewer
    than two axes.

    >>> q = Orthogonal()((3, 3), 0, "w", "float64")
    >>> bool(np.allclose(q @ q.T, np.eye(3), atol=1e-14))
    True

    Source: Saxe, McClelland, Ganguli (2014), arXiv:1312.6120; the signs, Mezzadri (2007),
    arXiv:math-ph/0609050.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check(self, "gain", -inf)

    def draw(self, shape: Shape, seed: int, path: str) -> random.Real:
        if len(shape) < 2:
            raise ShapeError(
                f"{path} has shape {shape}; an orthogonal weight needs two axes or more: "
                "use another initializer for a vector"
            )
        rows, columns = prod(shape[:-1]), shape[-1]
        tall = max(rows, columns), min(rows, columns)
        q, r = np.linalg.qr(random.normal(seed, "initializer", path, shape=tall))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


BY_NAME: dict[str, type[Initializer]] = {
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "zeros": Zeros,
    "ones": Ones,
    "orthogonal": Orthogonal,
}


def get(initializer: str | Initializer) -> Initializer:
    """The initializer of a Keras name, with its default settings, or the object as it is.

    "glorot_uniform" and "GlorotUniform" are alike. Raises UsageError for an unknown name, with the names
    near it.

    >>> get("zeros")
    Zeros()
    >>> get("glorot")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: unknown initializer 'glorot'; did you mean glorot_normal or glorot_uniform?
    """
    if isinstance(initializer, Initializer):
        return initializer
    plain = str(initializer).lower().replace("_", "")
    for name, kind in BY_NAME.items():
        if plain == name.replace("_", ""):
            return kind()
    near = get_close_matches(str(initializer).lower(), BY_NAME)
    hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(BY_NAME)}"
    raise UsageError(f"unknown initializer {initializer!r}; {hint}")
