"""Sequences: padded as Keras and torch pad, in the buckets with the least padding, in windows that copy nothing."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pl
from pellucid.data import sequences
from pellucid.data.text import END, START
from pellucid.errors import DataError, ShapeError, UsageError

LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=20)


def test_padding_as_published_by_keras() -> None:
    """The examples of the documentation of keras.utils.pad_sequences."""
    rows = [[1], [2, 3], [4, 5, 6]]
    assert pl.pad_sequences(rows).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6]]
    assert pl.pad_sequences(rows, value=-1).tolist() == [[-1, -1, 1], [-1, 2, 3], [4, 5, 6]]
    assert pl.pad_sequences(rows, padding="post").tolist() == [[1, 0, 0], [2, 3, 0], [4, 5, 6]]
    assert pl.pad_sequences(rows, maxlen=2).tolist() == [[0, 1], [2, 3], [5, 6]]
    assert pl.pad_sequences(rows, maxlen=2, truncating="post").tolist() == [[0, 1], [2, 3], [4, 5]]
    assert pl.pad_sequences(rows).dtype == np.int32


@given(LENGTHS.filter(any))
def test_padding_as_torch(lengths: list[int]) -> None:
    torch = pytest.importorskip("torch")
    rows = [np.arange(1, n + 1, dtype=np.float32) / 7 for n in lengths]
    for side, name in (("post", "right"), ("pre", "left")):
        expected = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(row) for row in rows], batch_first=True, padding_value=-2.0, padding_side=name
        )
        found = pl.pad_sequences(rows, dtype="float32", padding=side, value=-2.0)
        assert np.array_equal(found, expected.numpy())


def test_padding_of_vectors_and_of_nothing() -> None:
    found = pl.pad_sequences([np.ones((2, 3)), [], np.full((1, 3), 2.0)], dtype="float32", padding="post")
    assert found.shape == (3, 2, 3)
    assert found[:, :, 0].tolist() == [[1, 1], [0, 0], [2, 0]]
    assert pl.pad_sequences([[], []]).shape == (2, 0)
    assert pl.pad_sequences([], maxlen=3).shape == (0, 3)
    with pytest.raises(ShapeError, match=r"sequence 1 have shape \(2,\), those before it \(3,\)"):
        pl.pad_sequences([np.ones((2, 3)), np.ones((2, 2))])
    with pytest.raises(ShapeError, match="sequence 1 is a single"):
        pl.pad_sequences([[1], 2])
    for how in ({"padding": "left"}, {"truncating": "end"}, {"maxlen": 0}):
        with pytest.raises(UsageError):
            pl.pad_sequences([[1]], **how)


@given(LENGTHS)
def test_a_mask_says_where_something_is(lengths: list[int]) -> None:
    rows = [np.ones(n, int) for n in lengths]
    for side in ("pre", "post"):
        assert np.array_equal(pl.sequence_mask(lengths, padding=side), pl.pad_sequences(rows, padding=side) == 1)


@given(LENGTHS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 3))
def test_buckets(lengths: list[int], count: int, size: int, seed: int) -> None:
    found = pl.buckets(lengths, size, seed, count=count)
    assert sorted(np.concatenate([bucket.rows for bucket in found]).tolist()) == list(range(len(lengths)))
    for rows, top in found:
        assert 1 <= len(rows) <= size
        assert max(lengths[i] for i in rows) <= top
    padding = sum(top - lengths[i] for rows, top in found for i in rows)
    values = sorted(set(lengths))
    choices = combinations(values[:-1], min(count, len(values)) - 1)
    best = min(sum(min(t for t in (*tops, values[-1]) if t >= n) - n for n in lengths) for tops in choices)
    assert padding == best


def test_buckets_are_a_function_of_seed_and_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 400)

    def order(**how: int) -> list[list[int]]:
        return [bucket.rows.tolist() for bucket in pl.buckets(lengths, 16, **how)]

    assert order(seed=1) == order(seed=1)
    assert order(seed=1) != order(seed=2)
    assert order(seed=1) != order(seed=1, epoch=1)
    assert len({bucket.length for bucket in pl.buckets(lengths, 16)}) == 8


def test_buckets_of_very_different_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MOST_LENGTHS", 20)
    lengths = np.arange(1, 1001)
    found = pl.buckets(lengths, 100, count=4)
    assert all((lengths[bucket.rows] <= bucket.length).all() for bucket in found)
    padding = sum(int((bucket.length - lengths[bucket.rows]).sum()) for bucket in found)
    assert padding < 4 * 250 * 250 / 2 + 1000 * 51  # the best of exact lengths, and a grain a row


def test_pairs_for_teacher_forcing() -> None:
    pairs = pl.sequence_pairs(iter([[7, 8, 9], []]), iter([[4], [5, 6]]))
    assert pairs.x["source"].tolist() == [[7, 8, 9], [0, 0, 0]]
    assert pairs.x["target_in"].tolist() == [[START, 4, 0], [START, 5, 6]]
    assert pairs.y.tolist() == [[4, END, 0], [5, 6, END]]
    short = pl.sequence_pairs([[7, 8, 9]], [[4, 5, 6]], source_maxlen=2, target_maxlen=2, start=10, end=11)
    assert (short.x["source"].tolist(), short.x["target_in"].tolist(), short.y.tolist()) == (
        [[7, 8]],
        [[10, 4]],
        [[4, 5]],
    )


def test_pairs_of_texts() -> None:
    pytest.importorskip("tokenizers")
    letters, sounds = pl.Tokenizer.learn(["ab"]), pl.Tokenizer.learn(["X Y"], kind="word")
    pairs = pl.sequence_pairs((text for text in ("a", "ab")), ["X", "Y X"], (letters, sounds))
    assert [letters.decode(row) for row in pairs.x["source"]] == ["a", "ab"]
    assert [sounds.decode(row) for row in pairs.y] == ["X", "Y X"]
    assert pairs.x["target_in"][:, 0].tolist() == [START, START]
    same = pl.sequence_pairs(["ab"], ["ba"], letters)
    assert letters.decode(same.x["target_in"][0]) == "ba"


def test_bad_pairs() -> None:
    with pytest.raises(DataError, match="1 sources, but more targets"):
        pl.sequence_pairs([[1]], [[1], [2]])
    with pytest.raises(DataError, match="1 targets, but more sources"):
        pl.sequence_pairs([[1], [2]], [[1]])
    with pytest.raises(UsageError, match="give a tokenizer"):
        pl.sequence_pairs(["ab"], [[1]])
    with pytest.raises(DataError, match="expected ids"):
        pl.sequence_pairs([[1]], [[0.5]])


@given(st.integers(2, 40), st.integers(1, 6), st.one_of(st.none(), st.integers(1, 6)))
def test_windows(count: int, length: int, stride: int | None) -> None:
    ids = np.arange(count)
    if count < length + 1:
        with pytest.raises(DataError, match="need"):
            pl.windows(ids, length, stride)
        return
    x, y = pl.windows(ids, length, stride)
    step = stride or length
    starts = range(0, count - length, step)
    assert x.tolist() == [list(range(i, i + length)) for i in starts]
    assert y.tolist() == [list(range(i + 1, i + 1 + length)) for i in starts]
    assert np.shares_memory(x, ids) and np.shares_memory(y, ids)
    assert not x.flags.writeable


def test_windows_train_a_model() -> None:
    x, y = pl.windows(np.tile([4, 5, 6, 7], 100).astype(np.int32), 8)
    model = pl.Sequential([pl.Embedding(8, 8), pl.GRU(8, return_sequences=True), pl.Dense(8)])
    model.compile(pl.Adam(0.05), pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(x, y, epochs=15, batch_size=7, record=False, verbose=0)
    assert run.history["loss"][-1] < 0.1 < 1 < run.history["loss"][0]


def test_bad_windows_and_buckets() -> None:
    for bad in ({"length": 0}, {"length": 2, "stride": 0}):
        with pytest.raises(UsageError):
            pl.windows([1, 2, 3, 4], **bad)
    with pytest.raises(UsageError, match="lengths"):
        pl.buckets([0.5], 2)
    with pytest.raises(UsageError, match="batch_size=0"):
        pl.buckets([1], 0)
    with pytest.raises(UsageError, match="count=0"):
        pl.buckets([1], 1, count=0)
