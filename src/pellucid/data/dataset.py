"""Rows to train on, and the batches they are cut into."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy

from pellucid.data.arrays import as_array
from pellucid.data.named import Named, each, first, flat
from pellucid.data.order import order
from pellucid.errors import DataError, ShapeError, UsageError

Numbers = numpy.ndarray[Any, Any]

CHUNK_BYTES = 8 << 20
CHUNK_STEPS = 1024
"""Steps are handed to the compiled program in chunks of at most so many, and so many bytes of rows."""


class Batch(NamedTuple):
    """Rows that are trained on together, or several batches one after the other along a first axis.

    x (n, …) and y (n, …): each an array, or several by name; weight (n,) or None where all count alike.
    """

    x: Named
    y: Named
    weight: Any | None = None

    def map(self, work: Callable[[Any], Any]) -> Batch:
        """The same with `work` done to every array."""
        return Batch(each(work, self.x), each(work, self.y), None if self.weight is None else work(self.weight))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of x, or of the first of several: rows come first, or batches and then rows."""
        return tuple(first(self.x).shape)


@dataclass(frozen=True)
class Dataset:
    """Rows: x (n, …) and y (n, …), each an array or several by name; weight (n,) or None.

    `rows` picks some of them without a copy.
    """

    x: Named
    y: Named
    weight: Numbers | None = None
    rows: Numbers | None = None

    def __post_init__(self) -> None:
        counts = {name: len(array) for name, array in (flat("x", self.x) | flat("y", self.y)).items()}
        count = next(iter(counts.values()))
        if odd := next((name for name, n in counts.items() if n != count), None):
            raise ShapeError(
                f"{next(iter(counts))} has {count} rows but {odd} has {counts[odd]}; there has to be one target a row"
            )
        if self.weight is not None and self.weight.shape != (count,):
            raise ShapeError(f"sample_weight has shape {self.weight.shape}; it has to be one number a row, ({count},)")

    def __len__(self) -> int:
        return len(first(self.x)) if self.rows is None else len(self.rows)

    def take(self, places: Numbers) -> Batch:
        """The rows at these places."""
        where = places if self.rows is None else self.rows[places]
        return Batch(self.x, self.y, self.weight).map(lambda array: array[where])

    def stack(self, batches: list[Numbers], length: int) -> Batch:
        """Batches one after the other along a new first axis, which has room for `length`."""
        rows = len(batches[0])

        def laid(array: Numbers) -> Numbers:
            room = numpy.zeros((length, rows, *array.shape[1:]), array.dtype)
            room[: len(batches)] = array.reshape(len(batches), rows, *array.shape[1:])
            return room

        return self.take(numpy.concatenate(batches)).map(laid)

    def part(self, places: Numbers) -> Dataset:
        """Some of the rows as a data set of their own."""
        return Dataset(self.x, self.y, self.weight, places if self.rows is None else self.rows[places])

    def row_bytes(self) -> int:
        arrays = [*flat("x", self.x).values(), *flat("y", self.y).values()]
        return max(1, sum(a.nbytes // max(1, len(a)) for a in arrays))

    def split(self, fraction: float) -> tuple[Dataset, Dataset]:
        """All but the last `fraction` of the rows, and those, as Keras' validation_split."""
        if not 0 < fraction < 1:
            raise UsageError(f"validation_split={fraction!r}: it is a fraction of the rows, between 0 and 1")
        cut = round(len(self) * (1 - fraction))
        if cut in (0, len(self)):
            raise UsageError(f"validation_split={fraction!r} of {len(self)} rows leaves one side without a row")
        places = numpy.arange(len(self))
        return self.part(places[:cut]), self.part(places[cut:])


@dataclass(frozen=True)
class Plan:
    """Which rows each step of an epoch trains on, as a function of the seed and the epoch alone."""

    rows: int
    batch_size: int
    seed: int
    shuffle: bool = True

    @property
    def steps(self) -> int:
        """Steps in an epoch; the last batch may be smaller."""
        return -(-self.rows // self.batch_size)

    def sizes(self) -> Numbers:
        """How many rows each step of an epoch has."""
        whole, rest = divmod(self.rows, self.batch_size)
        return numpy.asarray([self.batch_size] * whole + [rest] * (rest > 0))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Numbers]:
        """The places of each batch of an epoch, from step `start` of it on."""
        left = numpy.zeros(0, dtype=numpy.int64)
        skip = start * self.batch_size
        for window in order(self.rows, self.seed, epoch, self.shuffle):
            left = numpy.concatenate([left, window])
            whole = len(left) - len(left) % self.batch_size
            for i in range(0, whole, self.batch_size):
                if skip:
                    skip -= self.batch_size
                else:
                    yield left[i : i + self.batch_size]
            left = left[whole:]
        if len(left):
            yield left

    def at(self, step: int) -> Numbers:
        """The places of the batch that step number `step` of the run trains on."""
        epoch, within = divmod(step, self.steps)
        return next(self.batches(epoch, within))

    def chunk(self, row_bytes: int) -> int:
        """How many steps are handed over at once."""
        fit = CHUNK_BYTES // (row_bytes * self.batch_size)
        return max(1, min(CHUNK_STEPS, self.rows // self.batch_size, fit))


def chunks(
    plan: Plan,
    data: Dataset,
    epoch: int,
    start: int = 0,
    stop: int | None = None,
    pace: Callable[[], int] | None = None,
) -> Iterator[tuple[Batch, int, int]]:
    """The batches of steps `start` to `stop` of an epoch, several at a time: (batches, how many, rows of each).

    Whole batches lie in arrays of one length, so that one compiled program serves every chunk; the smaller batch
    at the end of an epoch is a chunk of its own. `pace` says how many steps the next chunk has at most.
    """
    size, length = plan.batch_size, plan.chunk(data.row_bytes())
    left = (plan.steps if stop is None else stop) - start
    waiting: list[Numbers] = []
    for places in itertools.islice(plan.batches(epoch, start), left):
        if len(places) < size:
            if waiting:
                yield data.stack(waiting, length), len(waiting), size
                waiting = []
            yield data.stack([places], 1), 1, len(places)
            continue
        waiting.append(places)
        if len(waiting) >= min(length, pace() if pace else length):
            yield data.stack(waiting, length), len(waiting), size
            waiting = []
    if waiting:
        yield data.stack(waiting, length), len(waiting), size


def input_of(x: Any, dtype: str) -> Named:
    """What a network takes, one array or several by name: quantities in `dtype`, whole numbers as they are.

    So pictures stay bytes and words numbers of words until a batch of them is computed with.
    """
    if isinstance(x, Mapping) and not x:
        raise DataError("x is an empty dict; give at least one array by name")
    if isinstance(x, Mapping):
        return {str(name): _input(part, f"x[{name!r}]", dtype) for name, part in x.items()}
    return _input(x, "x", dtype)


def _input(x: Any, what: str, dtype: str) -> Numbers:
    array = as_array(x, what)
    if array.dtype.kind == "b":
        return array.astype(numpy.uint8)
    if array.dtype.kind not in "iu":
        return array.astype(dtype, copy=False)
    if array.dtype.itemsize < 4 or array.dtype == numpy.int32:
        return array
    fits = numpy.iinfo(numpy.int32).min <= array.min() and array.max() <= numpy.iinfo(numpy.int32).max
    return array.astype(numpy.int32 if fits and array.size else dtype)
