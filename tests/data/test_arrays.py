"""Arrays of every library come out as NumPy arrays, or are refused with a fix."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pellucid.data.arrays import as_array
from pellucid.errors import DataError


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (np.ones((2, 3)), "float64", (2, 3)),
        (np.ones(2, np.uint8), "uint8", (2,)),
        (jnp.ones((2, 3)), "float32", (2, 3)),
        (jnp.ones(2, jnp.bfloat16), "float32", (2,)),
        ([[1, 2], [3, 4]], "int64", (2, 2)),
        ((1.0, 2.0), "float64", (2,)),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1]}), "float64", (2, 2)),
        (pl.DataFrame({"a": [1, 2]}), "int64", (2, 1)),
        (pl.LazyFrame({"a": [1, 2]}), "int64", (2, 1)),
        (pl.Series([1, 2]), "int64", (2,)),
        (pd.Series([True, False]), "bool", (2,)),
        (pa.table({"a": [1, 2]}), "int64", (2, 1)),
    ],
)
def test_numbers_of_any_library(value: Any, dtype: str, shape: tuple[int, ...]) -> None:
    array = as_array(value, "x")
    assert (str(array.dtype), array.shape) == (dtype, shape)


def test_numbers_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for value, shape in (
        (torch.ones(2, 3, requires_grad=True), (2, 3)),
        (torch.ones(2, dtype=torch.bfloat16), (2,)),
        ([torch.ones(2), torch.zeros(2)], (2, 2)),
    ):
        array = as_array(value, "x")
        assert (str(array.dtype), array.shape) == ("float32", shape)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2], [3]], "row 1 holds 1 values, row 0 holds 2"),
        ([[[1], [2, 3]], [[1], [2]]], "unequal length"),
        (["a", "b"], r"at \[0\]"),
        (np.array([1, None, "a"], object), r"object.*at \[1\]: None"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), 'column "b" holds String.*Recipe'),
        (pd.Series(["a"]), "holds String"),
        (np.zeros((0, 3)), r"shape \(0, 3\): no rows"),
        ([], "no rows"),
        (3.0, "no rows"),
        (None, "not numbers"),
        (np.array([[1, np.nan], [np.inf, 2]]), "row 0, column 1: nan, row 1, column 0: inf"),
        (np.full((2, 2, 2), np.nan), "and 5 more"),
        (pl.DataFrame({"a": [1, None]}), 'row 1, column "a": nan'),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), 'row 1, column "a": nan'),
        (pd.DataFrame(), "no columns"),
    ],
)
def test_what_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"^x.*{message}"):
        as_array(value, "x")


def test_infinities_may_pass() -> None:
    assert np.isnan(as_array([1.0, np.nan], "x", finite=False)[1])
