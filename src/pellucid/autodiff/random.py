"""Randomness as a function: every number is computed from (seed, stream, index), nothing is stored.

A counter-based generator turns a key and a counter into bits that look random, as a cipher turns a message
into noise. The key says which stream (the weights of one layer, one epoch's shuffle, one dropout layer at one
step) and the counter is the index of the number within it. So any number can be computed alone, in any order,
in NumPy or inside a compiled step, and a training step of the past can be reopened with its own masks.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011),
doi:10.1145/2063384.2063405.
"""

import hashlib
from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import UsageError

Shape = tuple[int, ...]
Real = NDArray[np.float64]

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
WORD = 0xFFFFFFFF

# Wichura's rational functions, highest power first: the middle of the bell, its shoulders, its far tails.
MIDDLE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
SHOULDER = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def threefry2x32(xp: Any, key0: Any, key1: Any, counter0: Any, counter1: Any) -> tuple[Any, Any]:
    """Two random 32-bit words for each pair of counter words under a key: Threefry-2x32 with 20 rounds.

    A round is `a ← a + b;  b ← (b rotated left by r) xor a`, all modulo 2^32; after every fourth round
    the key is added in again. The four inputs are integers or arrays (taken as uint32) whose shapes
    broadcast; both results are uint32 of the broadcast shape.

    >>> a, b = threefry2x32(np, 0, 0, 0, 0)
    >>> f"{int(a):08x} {int(b):08x}"
    '6b200159 99ba4efe'

    Source: Salmon et al. (2011), doi:10.1145/2063384.2063405, section 3.3 and its published test vectors.
    """
    # The extra axis keeps NumPy's arithmetic on arrays, which wrap round silently; its scalars would warn.
    k0, k1, a, b = (xp.asarray(word, dtype=xp.uint32)[None] for word in (key0, key1, counter0, counter1))
    keys = (k0, k1, k0 ^ k1 ^ PARITY)
    a = a + k0
    b = b + k1
    for block in range(5):
        for r in ROTATIONS[block % 2]:
            a = a + b
            b = ((b << r) | (b >> (32 - r))) ^ a
        a = a + keys[(block + 1) % 3]
        b = b + keys[(block + 2) % 3] + (block + 1)
    return a[0], b[0]


def stream_key(seed: int, *stream: str | int) -> tuple[int, int]:
    """The 64-bit key, as two words, of the stream that a seed and a list of names and numbers stand for.

    `key = blake2b(seed, stream)`: each part goes in with its kind and length, so that ("ab", "c"),
    ("a", "bc") and ("1",), (1,) are different streams. The same on every platform and Python.

    >>> stream_key(0, "dense/kernel")
    (3331939637, 2692374206)
    """
    digest = hashlib.blake2b(digest_size=8, person=b"pellucid")
    for part in (seed, *stream):
        kind, text = (b"s", part) if isinstance(part, str) else (b"i", str(index(part)))
        data = text.encode()
        digest.update(kind + len(data).to_bytes(8, "little") + data)
    key = int.from_bytes(digest.digest(), "little")
    return key & WORD, key >> 32


def bits(seed: int, *stream: str | int, count: int, start: int = 0) -> NDArray[np.uint64]:
    """The 64-bit random integers number `start` to `start + count - 1` of a stream, shape (count,).

    `bits[i] = a + 2^32 b` with `(a, b) = threefry2x32(stream_key(seed, *stream), start + i)`.

    >>> bits(0, "rows", count=2)
    array([ 108900332989440910, 3859883006820449667], dtype=uint64)
    >>> bits(0, "rows", count=1, start=1)
    array([3859883006820449667], dtype=uint64)

    Source: Salmon et al. (2011), doi:10.1145/2063384.2063405.
    """
    counter = np.arange(start, start + count, dtype=np.uint64)
    low, high = (counter & WORD).astype(np.uint32), (counter >> 32).astype(np.uint32)
    a, b = threefry2x32(np, *stream_key(seed, *stream), low, high)
    return a.astype(np.uint64) | (b.astype(np.uint64) << 32)


def uniform(seed: int, *stream: str | int, shape: Shape) -> Real:
    """Numbers equally likely anywhere in [0, 1): the top 53 of 64 random bits, divided by 2^53.

    >>> uniform(0, "demo", shape=(2,))
    array([0.87167359, 0.60600269])
    """
    top = (bits(seed, *stream, count=prod(shape)) >> 11).astype(np.float64)
    return (top * 2.0**-53).reshape(shape)


def normal(seed: int, *stream: str | int, shape: Shape) -> Real:
    """Numbers from the bell curve of mean 0 and standard deviation 1: `normal_quantile(u)`.

    By inverting the distribution function, not by Box and Muller: each number then depends on one index
    alone, not on a pair of them; a truncated bell is the same formula over a shorter range of `u`; and
    85 numbers of 100 need only + × ÷, which give the same bits on every processor, where the sines and
    logarithms of Box and Muller may differ in the last place.

    >>> normal(0, "demo", shape=(2,)).round(6)
    array([1.134338, 0.268916])
    """
    # 52 bits and a half: strictly inside (0, 1) and symmetric, so no number is infinite.
    top = (bits(seed, *stream, count=prod(shape)) >> 12).astype(np.float64)
    return normal_quantile((top + 0.5) * 2.0**-52).reshape(shape)


def normal_quantile(u: Any, xp: Any = np) -> Any:
    """The z below which a standard normal number falls with probability u, for u in (0, 1).

    `z` with `u = ½ (1 + erf(z / √2))`, by three ratios of polynomials; error below 1e-15 relative.

    >>> normal_quantile(np.array([0.5, 0.975])).round(6)
    array([0.      , 1.959964])

    Source: Wichura, "Algorithm AS 241" (1988), doi:10.2307/2347330.
    """
    q = u - 0.5
    r = xp.sqrt(-xp.log(xp.minimum(u, 1 - u)))
    side = xp.where(r <= 5, _ratio(xp, SHOULDER, r - 1.6), _ratio(xp, TAIL, r - 5))
    return xp.where(xp.abs(q) <= 0.425, q * _ratio(xp, MIDDLE, 0.180625 - q * q), xp.copysign(side, q))


def _ratio(xp: Any, coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    over, under = (xp.full_like(x, powers[0]) for powers in coefficients)
    for top, bottom in zip(*(powers[1:] for powers in coefficients), strict=True):
        over = over * x + top
        under = under * x + bottom
    return over / under


def permutation(n: int, seed: int, *stream: str | int) -> NDArray[np.int64]:
    """The numbers 0 to n - 1 in random order, shape (n,): the order that sorts n random 64-bit integers.

    >>> permutation(5, 0, "epoch", 1)
    array([1, 3, 2, 0, 4])
    """
    return np.argsort(bits(seed, *stream, count=n), kind="stable").astype(np.int64)


def keep_mask(xp: Any, seed: Any, step: Any, path: str, shape: Shape, rate: float) -> Any:
    """Which numbers a dropout layer keeps at one step: True with probability 1 - rate, shape `shape`.

    `keep[i] = word[i] >= rate · 2^32`, where word i is half i mod 2 of
    `threefry2x32(key, i div 2)` and the key is that of (path, seed, step). `path` is a string and `rate`
    a number known before compiling; `seed` (below 2^64) and `step` (below 2^32) may be numbers or traced
    integers. Raises UsageError for a rate outside 0 … 1 or a seed that is too large.

    >>> keep_mask(np, 0, 7, "dropout", (6,), 0.5)
    array([ True, False, False, False, False,  True])

    Source: dropout, Srivastava et al. (2014), jmlr.org/papers/v15/srivastava14a.html.
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"rate is {rate!r}; a dropout rate is a share of numbers to drop, from 0 to 1")
    threshold = round(rate * 2**32)
    if threshold > WORD:
        return xp.zeros(shape, dtype=xp.bool)
    return _words(xp, "keep_mask", seed, step, path, shape) >= xp.asarray(threshold, dtype=xp.uint32)


def noise(xp: Any, seed: Any, step: Any, path: str, shape: Shape, dtype: Any) -> Any:
    """Numbers from the bell curve of mean 0 and deviation 1 that a noise layer adds at one step, shape `shape`.

    `normal_quantile((word[i] div 2^9 + ½) / 2^23)`, with the words of a stream of their own, seed, step and path as
    for `keep_mask`. With 23 bits a float32 holds the quantile's argument exactly, so that the noise is the same
    in float32 and float64 up to rounding, none is infinite, and none beyond ±5.3.

    >>> noise(np, 0, 7, "gaussian_noise", (3,), "float64").round(6)
    array([-0.245147,  0.472912, -0.377138])

    Source: Salmon et al. (2011), doi:10.1145/2063384.2063405; Wichura (1988), doi:10.2307/2347330.
    """
    top = xp.astype(_words(xp, "noise", seed, step, path, shape) >> 9, dtype)
    return normal_quantile((top + 0.5) * 2.0**-23, xp)


def whole_numbers(xp: Any, seed: Any, step: Any, path: str, shape: Shape, count: int | Sequence[int]) -> Any:
    """Numbers from 0 to count - 1, equally likely, that a layer draws at one step: int32, shape `shape`.

    `word[i] mod count`, with the words of a stream of their own, seed, step and path as for `keep_mask`. As 2^32 is no
    multiple of most counts, one number's probability may be above another's by 2^-32. count: of all, or one for each
    place of the last axis.

    >>> whole_numbers(np, 0, 7, "random_crop", (6,), 10)
    array([9, 8, 1, 9, 5, 8], dtype=int32)

    Source: Salmon et al. (2011), doi:10.1145/2063384.2063405.
    """
    words = _words(xp, "whole_numbers", seed, step, path, shape)
    return xp.astype(words % xp.asarray(count, dtype=xp.uint32), xp.int32)


def _words(xp: Any, purpose: str, seed: Any, step: Any, path: str, shape: Shape) -> Any:
    """A random 32-bit word for each place of an array that a layer needs at one step."""
    key = threefry2x32(xp, *stream_key(0, purpose, path), *_two_words(seed))
    key = threefry2x32(xp, *key, _word(step), 0)
    count = prod(shape)
    pairs = threefry2x32(xp, *key, xp.arange((count + 1) // 2, dtype=xp.uint32), 0)
    return xp.reshape(xp.reshape(xp.stack(pairs, axis=-1), (-1,))[:count], shape)


def _two_words(seed: Any) -> tuple[Any, Any]:
    """A seed's low and high 32 bits; a traced seed of 32 bits has only the low ones."""
    if not hasattr(seed, "astype"):
        if not 0 <= index(seed) < 2**64:
            raise UsageError(f"seed is {seed!r}; expected an integer from 0 to 2**64 - 1")
        return index(seed) & WORD, index(seed) >> 32
    high = seed >> 32 if seed.dtype.itemsize == 8 else 0
    return seed & WORD if seed.dtype.itemsize == 8 else seed.astype("uint32"), high


def _word(step: Any) -> Any:
    return step.astype("uint32") if hasattr(step, "astype") else index(step)
