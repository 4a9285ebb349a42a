"""The one seam: what NumPy and JAX spell differently, or only one of them has."""

from __future__ import annotations

from typing import Any

import numpy
from scipy import special

from pellucid.autodiff.tape import Array


def is_numpy(xp: Any) -> bool:
    return xp is numpy


def erf(xp: Any, x: Array) -> Array:
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    if is_numpy(xp):
        return special.erf(x)
    from jax.scipy.special import erf as jax_erf  # JAX is imported only where arrays are JAX's

    return jax_erf(x)


def scatter_add(xp: Any, rows: Array, indices: Array, count: int) -> Array:
    """An array of `count` rows: row k is the sum of the given rows whose index is k."""
    flat = xp.reshape(indices, (-1,))
    values = xp.reshape(rows, (flat.shape[0], rows.shape[-1]))
    out = xp.zeros((count, rows.shape[-1]), dtype=rows.dtype)
    if is_numpy(xp):
        numpy.add.at(out, flat, values)
        return out
    return out.at[flat].add(values)
