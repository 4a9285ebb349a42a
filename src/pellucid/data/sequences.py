"""Sequences of different lengths as arrays: padded, gathered by length, in pairs, in windows of one long sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.arguments import whole
from pellucid.autodiff.random import permutation
from pellucid.data.text import END, PAD, START, Ids, Tokenizer
from pellucid.errors import DataError, ShapeError, UsageError

Side = Literal["pre", "post"]

MOST_LENGTHS = 1_000
"""How many lengths are told apart when buckets are chosen; longer sequences are counted in tens, say."""


def pad_sequences(
    sequences: Iterable[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: Side = "pre",
    truncating: Side = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """One array (n, maxlen, …) of sequences (t, …) of different lengths t; arguments and defaults as in Keras.

    maxlen: the longest's length if not given. padding: whether `value` stands before or after what is there;
    truncating: whether what is too long loses its start ("pre") or its end.

    Raises ShapeError for a sequence whose steps have another shape, UsageError for arguments out of range.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]])
    array([[0, 0, 1],
           [0, 2, 3],
           [4, 5, 6]], dtype=int32)
    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2, padding="post", value=-1).tolist()
    [[1, -1], [2, 3], [5, 6]]
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        _check_side(name, side)
    if maxlen is not None:
        whole("maxlen", maxlen)
    rows = [np.asarray(row) for row in sequences]
    for i, row in enumerate(rows):
        if row.ndim == 0:
            raise ShapeError(f"pad_sequences: sequence {i} is a single {row.dtype}; give a list of sequences")
    step = next((row.shape[1:] for row in rows if len(row)), ())
    longest = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), longest if maxlen is None else maxlen, *step), value, dtype)
    for i, row in enumerate(rows):
        if not len(row):
            continue
        if row.shape[1:] != step:
            raise ShapeError(f"pad_sequences: steps of sequence {i} have shape {row.shape[1:]}, those before it {step}")
        kept = row[-out.shape[1] :] if truncating == "pre" else row[: out.shape[1]]
        place = slice(out.shape[1] - len(kept), None) if padding == "pre" else slice(len(kept))
        out[i, place] = kept
    return out


def sequence_mask(lengths: Any, maxlen: int | None = None, padding: Side = "post") -> NDArray[np.bool_]:
    """Which places of padded sequences hold something: bool (n, maxlen), the first `length` of each (or the last).

    >>> sequence_mask([1, 3]).tolist()
    [[True, False, False], [True, True, True]]
    """
    _check_side("padding", padding)
    held = _lengths(lengths)
    places = np.arange(int(held.max(initial=0)) if maxlen is None else whole("maxlen", maxlen))
    mask = places < held[:, None]
    return mask if padding == "post" else mask[:, ::-1]


class Bucket(NamedTuple):
    """Rows that go together into one batch."""

    rows: NDArray[np.int64]
    length: int
    """What all of them are padded to: one of few lengths, so that few programs are compiled."""


def buckets(lengths: Any, batch_size: int, seed: int = 0, *, count: int = 8, epoch: int = 0) -> list[Bucket]:
    """Batches of rows of about one length, so that little is padded; each row once, in an order by seed and epoch.

    lengths: (n,), of each row. count: to how many different lengths rows are padded at most; those are chosen that
    make Σ (padded length - length) smallest. A batch is of one bucket; a bucket's last batch may be smaller.

    Raises UsageError for arguments out of range.

    >>> for bucket in buckets([3, 9, 2, 3, 8, 1], batch_size=2, count=2):
    ...     print(bucket.length, bucket.rows.tolist())
    9 [1, 4]
    3 [3, 5]
    3 [2, 0]
    """
    held = _lengths(lengths)
    whole("batch_size", batch_size)
    tops = _best_tops(held, whole("count", count))
    found: list[Bucket] = []
    for number, top in enumerate(tops):
        rows = np.flatnonzero((held <= top) & (held > (tops[number - 1] if number else -1)))
        rows = rows[permutation(len(rows), seed, "bucket", epoch, number)]
        found += [Bucket(rows[first : first + batch_size], top) for first in range(0, len(rows), batch_size)]
    return [found[i] for i in permutation(len(found), seed, "buckets", epoch)]


def _best_tops(lengths: NDArray[np.int64], count: int) -> list[int]:
    """The at most `count` lengths that rows are padded to with the least padding in all, ascending.

    By dynamic programming over the different lengths, as in the best histogram (Jagadish et al. 1998): the best for
    those up to b with k buckets is the best up to some a with k - 1, and one bucket from there.
    """
    grain = 1 + int(lengths.max(initial=0)) // MOST_LENGTHS
    values, rows = np.unique(-(-lengths // grain) * grain, return_counts=True)
    if len(values) <= count:
        return values.tolist()
    size = len(values)
    before = np.concatenate([[0], np.cumsum(rows)])
    cost = values[None, :] * (before[1:][None, :] - before[:-1][:, None])  # of a bucket from a to b; the rest is fixed
    cost = np.where(np.arange(size)[:, None] <= np.arange(size), cost, np.iinfo(np.int64).max // 4)
    best = cost[0]
    cuts: list[NDArray[np.int64]] = []
    for _ in range(count - 1):
        options = np.concatenate([[0], best[:-1]])[:, None] + cost
        cuts.append(options.argmin(axis=0))
        best = options.min(axis=0)
    tops, last = [int(values[-1])], size - 1
    for cut in reversed(cuts):
        last = int(cut[last]) - 1
        if last < 0:
            break
        tops.append(int(values[last]))
    return tops[::-1]


class Pairs(NamedTuple):
    """What a network that turns sequences into sequences learns from: fit(pairs.x, pairs.y)."""

    x: dict[str, Ids]
    """{"source": (n, s), "target_in": (n, t)}; target_in is what the decoder is told: start, then the target."""
    y: Ids
    """(n, t): what it should answer at each step: the target, then end."""


def sequence_pairs(
    sources: Iterable[Any],
    targets: Iterable[Any],
    tokenizer: Tokenizer | tuple[Tokenizer, Tokenizer] | None = None,
    *,
    source_maxlen: int | None = None,
    target_maxlen: int | None = None,
    start: int = START,
    end: int = END,
) -> Pairs:
    """Pairs of sequences for teacher forcing: target_in = start, t_1 … t_k; y = t_1 … t_k, end. Padded after with 0.

    sources, targets: the ids of each row; or texts, with a tokenizer for both or one for each, which are gone through
    once. What is longer than source_maxlen or target_maxlen (start or end counted) loses its end.

    Raises DataError for sources and targets of different number, or ids that are no whole numbers; UsageError for
    texts without a tokenizer.

    >>> pairs = sequence_pairs([[7, 8], [9]], [[4], [5, 6]])
    >>> {name: ids.tolist() for name, ids in pairs.x.items()}, pairs.y.tolist()
    ({'source': [[7, 8], [9, 0]], 'target_in': [[2, 4, 0], [2, 5, 6]]}, [[4, 3, 0], [5, 6, 3]])

    Source: Williams and Zipser (1989), doi:10.1162/neco.1989.1.2.270.
    """
    reading, writing = tokenizer if isinstance(tokenizer, tuple) else (tokenizer, tokenizer)
    given: list[Ids] = []
    told: list[Ids] = []
    asked: list[Ids] = []
    lacking = object()
    for source, target in zip_longest(_ids(sources, reading), _ids(targets, writing), fillvalue=lacking):
        if source is lacking or target is lacking:
            more, fewer = ("targets", "sources") if source is lacking else ("sources", "targets")
            raise DataError(f"sequence_pairs: there are {len(given):,} {fewer}, but more {more}; give one for each.")
        assert isinstance(source, np.ndarray) and isinstance(target, np.ndarray)
        given.append(source[:source_maxlen])
        told.append(np.concatenate([[np.int32(start)], target])[:target_maxlen])
        asked.append(np.concatenate([target, [np.int32(end)]])[:target_maxlen])
    source, target_in, y = (pad_sequences(rows, padding="post", value=PAD) for rows in (given, told, asked))
    return Pairs({"source": source, "target_in": target_in}, y)


def _ids(sequences: Iterable[Any], tokenizer: Tokenizer | None) -> Iterator[Ids]:
    if tokenizer is not None:
        yield from tokenizer.encode_batch(sequences)
        return
    for i, row in enumerate(sequences):
        if isinstance(row, str):
            raise UsageError(f"sequence_pairs: sequence {i} is a text ({row[:20]!r}); give a tokenizer as well")
        ids = np.asarray(row)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise DataError(f"sequence_pairs: sequence {i} is {ids.dtype} of shape {ids.shape}; expected ids, (t,).")
        yield ids.astype(np.int32)


def windows(ids: Sequence[int] | NDArray[Any], length: int, stride: int | None = None) -> tuple[Any, Any]:
    """x (n, length) and y (n, length), the same one step later: what a model that tells the next token learns from.

    x[i, j] = ids[i · stride + j], y[i, j] = ids[i · stride + j + 1]; stride = length if not given, so that each id is
    told once. Both are views of ids: nothing is copied, and nothing can be written. n = (T - 1 - length) / stride + 1,
    rounded down, for T ids.

    Raises DataError where there are fewer than length + 1 ids, UsageError for a length or stride below 1.

    >>> x, y = windows([1, 2, 3, 4, 5, 6, 7], 3)
    >>> x.tolist(), y.tolist()
    ([[1, 2, 3], [4, 5, 6]], [[2, 3, 4], [5, 6, 7]])
    """
    row = np.asarray(ids)
    stride = whole("length", length) if stride is None else whole("stride", stride)
    if row.ndim != 1 or len(row) < length + 1:
        raise DataError(f"windows of {length} ids and the next need {length + 1} in one row, found shape {row.shape}.")
    views = np.lib.stride_tricks.sliding_window_view(row, length)
    return views[:-1:stride], views[1::stride]


def _lengths(lengths: Any) -> NDArray[np.int64]:
    held = np.asarray(lengths)
    if held.ndim != 1 or (held.size and (held.dtype.kind not in "iu" or held.min() < 0)):
        raise UsageError(f"lengths: expected whole numbers from 0, (n,), found {held.dtype} of shape {held.shape}")
    return held.astype(np.int64)


def _check_side(name: str, side: Any) -> None:
    if side not in get_args(Side):
        raise UsageError(f"{name}={side!r}: it is 'pre' or 'post'")
