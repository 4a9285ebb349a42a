"""Whatever holds numbers, as a NumPy array: arrays of other libraries, dataframes, nested lists."""

from collections.abc import Sequence
from typing import Any, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from pellucid.errors import DataError

NUMERIC = "biufc"
RECIPE = "`pellucid train FILE` and Recipe.learn turn a table's labels and dates into numbers."


def as_array(value: Any, what: str, finite: bool = True) -> NDArray[Any]:
    """The numbers of a NumPy, JAX or torch array, a dataframe or series, or nested lists; dtype kept.

    `what` names the value in messages. Raises DataError for no rows, text or objects, lists of unequal
    length, and, unless `finite` is False, for NaN and infinities, naming the first rows and columns.

    >>> as_array([[1.0, 2.0], [3.0, 4.0]], "x").shape
    (2, 2)
    """
    array, names = _numbers(value, what)
    if array.dtype.kind not in NUMERIC:
        # ml_dtypes registers bfloat16 and its kin as void; their numbers fit float32.
        if array.dtype.kind == "V" and array.dtype.names is None and np.can_cast(array.dtype, np.float32):
            array = array.astype(np.float32)
        else:
            raise DataError(
                f"{what} has dtype {array.dtype}, which is not numbers{_first_text(array)}. Convert it, as "
                "by "
                f"{what}.astype(float), or turn its labels into numbers. {RECIPE}"
            )
    if array.ndim == 0 or array.shape[0] == 0:
        raise DataError(f"{what} has shape {array.shape}: no rows. Give at least one.")
    if finite and array.dtype.kind in "fc":
        _refuse_not_finite(array, what, names)
    return array


def _numbers(value: Any, what: str) -> tuple[NDArray[Any], list[str]]:
    """The array, and the names of its columns where it has any."""
    if isinstance(value, np.ndarray):
        return cast("NDArray[Any]", value), []
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return _from_torch(value), []
    if isinstance(value, list | tuple):
        return _from_sequence(cast("Sequence[Any]", value), what), []
    native = nw.from_native(value, allow_series=True, pass_through=True)
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    if isinstance(native, nw.DataFrame):
        columns = [_from_series(column, f'{what}, column "{column.name}"') for column in native.iter_columns()]
        if not columns:
            raise DataError(f"{what} has no columns: give at least one.")
        return np.stack(columns, axis=1), [str(name) for name in native.columns]
    if isinstance(native, nw.Series):
        return _from_series(native, what), []
    try:
        return (np.from_dlpack(value) if hasattr(value, "__dlpack__") else np.asarray(value)), []
    except (BufferError, TypeError, RuntimeError, ValueError):
        # DLPack has no word for some dtypes and devices; the array protocol copies those.
        return np.asarray(value), []


def _from_torch(tensor: Any) -> NDArray[Any]:
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if "bfloat16" in str(host.dtype):
        host = host.float()
    return np.asarray(host)


def _from_sequence(rows: Sequence[Any], what: str) -> NDArray[Any]:
    """Nested lists; or a list of arrays, each by its own rules."""
    items = [_from_torch(row) if hasattr(row, "detach") else row for row in rows]
    try:
        return np.asarray(items)
    except ValueError as error:
        lengths = [
            np.size(cast("Any", row)) if not isinstance(row, list | tuple) else len(cast("list[Any]", row))
            for row in items
        ]
        odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is None:
            raise DataError(f"{what}: the lists in it are of unequal length below the first level.") from error
        raise DataError(
            f"{what}: row {odd} holds {lengths[odd]} values, row 0 holds {lengths[0]}. Make all rows the "
            "same length "
            "(pad the short ones)."
        ) from error


def _from_series(column: Any, what: str) -> NDArray[Any]:
    kind = column.dtype
    if not (kind.is_numeric() or kind == nw.Boolean):
        raise DataError(f"{what} holds {kind}, not numbers. {RECIPE}")
    values = np.asarray(column.to_numpy())
    if values.dtype == object:
        values = np.asarray([np.nan if v is None or v != v else v for v in column.to_list()], np.float64)
    return values


def _first_text(array: NDArray[Any]) -> str:
    if array.dtype.kind not in "OUS" or not array.size:
        return ""
    flat = array.ravel()
    first = next((i for i, v in enumerate(flat) if not isinstance(v, int | float | complex | np.number)), 0)
    at = ", ".join(str(int(i)) for i in np.unravel_index(first, array.shape))
    return f" (at [{at}]: {flat[first]!r})"


def _refuse_not_finite(array: NDArray[Any], what: str, names: list[str]) -> None:
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    if not count:
        return
    places = np.argwhere(wrong)[:3]
    listed = ", ".join(_place(place.tolist(), names) + f": {array[tuple(place)]}" for place in places)
    more = f" and {count - len(places):,} more" if count > len(places) else ""
    raise DataError(
        f"{what} is not finite at {listed}{more}. Mend or drop these rows, or fill them (np.nan_to_num); a "
        "missing "
        "value is dealt with for you when a table is trained on with `pellucid train` or Recipe.learn."
    )


def _place(place: list[int], names: list[str]) -> str:
    if names and len(place) == 2:
        return f'row {place[0]}, column "{names[place[1]]}"'
    words = ["row", "column"] if len(place) <= 2 else ["row"]
    named = [f"{word} {i}" for word, i in zip(words, place, strict=False)]
    return ", ".join(named + [f"[{', '.join(map(str, place[1:]))}]"] * (len(place) > 2))
