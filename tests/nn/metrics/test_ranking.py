"""Top-k accuracy and perplexity against scikit-learn, whole, in batches and compiled; boxes and written sequences."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import pellucid as pl
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import metrics

draw = np.random.default_rng(4)
N, C = 60, 7
Y, P = draw.integers(0, C, N), draw.dirichlet(np.ones(C), N)
WEIGHT = draw.uniform(0.5, 2, N)


def in_batches(metric, y, p, w, compiled=False):
    """The metric of batches of 16 rows joined, as the loop joins them."""
    statistics = jax.jit(partial(metric.statistics, jnp)) if compiled else partial(metric.statistics, np)
    cuts = range(16, len(y), 16)
    parts = [np.split(a, cuts) if a is not None else [None] * (len(cuts) + 1) for a in (y, p, w)]
    each = [statistics(*part) for part in zip(*parts, strict=True)]
    return metric.result({key: np.sum([np.asarray(e[key]) for e in each], axis=0) for key in each[0]})


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighed"])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_as_scikit_learn(k, weight):
    metric = metrics.TopKAccuracy(k)
    expected = 1.0 if k >= C else sk.top_k_accuracy_score(Y, P, k=k, labels=range(C), sample_weight=weight)
    for y in (Y, Y[:, None], np.eye(C)[Y]):
        assert metric.measure(y, P, weight) == pytest.approx(expected, rel=1e-14)
    assert in_batches(metric, Y, P, weight) == pytest.approx(expected, rel=1e-14)
    single = None if weight is None else weight.astype("float32")
    assert in_batches(metric, Y, P.astype("float32"), single, compiled=True) == pytest.approx(expected, rel=1e-6)
    if k == 1:
        assert metric.measure(Y, P, weight) == pytest.approx(metrics.Accuracy().measure(Y, P, weight), rel=1e-14)


def test_equal_probabilities_do_not_push_a_class_out():
    assert metrics.TopKAccuracy(1).measure([2], [[0.4, 0.2, 0.4]]) == 1


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighed"])
def test_perplexity_as_scikit_learn(weight):
    expected = np.exp(sk.log_loss(Y, P, labels=range(C), sample_weight=weight))
    metric = metrics.Perplexity()
    assert metric.measure(Y, P, weight) == pytest.approx(expected, rel=1e-12)
    assert in_batches(metric, Y[:, None], P, weight) == pytest.approx(expected, rel=1e-12)
    single = None if weight is None else weight.astype("float32")
    assert in_batches(metric, Y, P.astype("float32"), single, compiled=True) == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_sequences_with_classes_left_out():
    y, p, weight = Y.reshape(12, 5), P.reshape(12, 5, C), WEIGHT[:12]
    kept = y.reshape(-1) != 0
    each = np.repeat(weight, 5)[kept]
    expected = np.exp(sk.log_loss(y.reshape(-1)[kept], P[kept], labels=range(C), sample_weight=each))
    assert metrics.Perplexity(ignore_class=0).measure(y, p, weight) == pytest.approx(expected, rel=1e-12)
    padded = np.where(y == 0, -1, y)
    assert metrics.Perplexity(ignore_class=-1).measure(padded, p, weight) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(metrics.Perplexity(ignore_class=0).measure(np.zeros(3), P[:3]))
    assert metrics.Perplexity().measure(y, np.full((12, 5, C), 1 / C)) == pytest.approx(C, rel=1e-12)


def test_in_training(rows):
    model = pl.Sequential([pl.Dense(3)])
    names = ["top_k_accuracy", pl.TopKAccuracy(2, name="top_2"), "perplexity", "mean_average_precision"]
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), names)
    found = [
        model.fit(rows.x, rows.y, batch_size=16, engine=engine, record=False, verbose=0).history
        for engine in ("numpy", "xla")
    ]
    assert found[0]["top_k_accuracy"] == [1.0]
    assert found[0]["top_2"][0] > 0.5
    now = model.evaluate(rows.x, rows.y)
    assert now["perplexity"] == pytest.approx(np.exp(now["loss"]), rel=1e-5)


# From the paper of BLEU: seven times "the", of which a reference has two.
THE = ["the cat is on the mat", "there is a cat on the mat"]
PAPER = [
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command of the party",
    "it is the practical guide for the army always to heed the directions of the party",
]
FIRST = "it is a guide to action which ensures that the military always obeys the commands of the party"
SECOND = "it is to insure the troops forever hearing the activity guidebook that party direct"


def test_bleu_of_the_papers_examples():
    assert metrics.bleu([THE], ["the the the the the the the"], n=1) == pytest.approx(2 / 7, rel=1e-15)
    assert metrics.bleu([PAPER], [FIRST], n=1) == pytest.approx(17 / 18, rel=1e-15)
    short = np.exp(1 - 16 / 14)  # 14 words, and the references nearest in length have 16
    assert metrics.bleu([PAPER], [SECOND], n=1) == pytest.approx(8 / 14 * short, rel=1e-14)
    both = metrics.bleu([PAPER], [FIRST], n=2)
    assert both == pytest.approx(np.sqrt(17 / 18 * 10 / 17), rel=1e-14)
    assert metrics.bleu([PAPER], [SECOND], n=2) == pytest.approx(np.sqrt(8 / 14 * 1 / 13) * short, rel=1e-14)


def test_bleu_punishes_short_texts_and_adds_up_over_all():
    reference = ["a b c d e f g h"]
    assert metrics.bleu([reference], ["a b c d"]) == pytest.approx(np.exp(1 - 8 / 4), rel=1e-14)
    assert metrics.bleu(["a b c d e"], ["a b c d e"]) == 1
    assert metrics.bleu(["a b c"], ["a b c"]) == 0  # no run of four words
    two = metrics.bleu([["a b c d e"], ["a b x d e f"]], ["a b c d e", "a b c d e f"])
    # runs of 1 to 4 words: 5 + 5 of 11, 4 + 3 of 9, 3 + 1 of 7, 2 + 0 of 5
    assert two == pytest.approx((10 / 11 * 7 / 9 * 4 / 7 * 2 / 5) ** 0.25, rel=1e-14)
    assert metrics.bleu([[["a", "b"], ["b"]]], [["a", "b"]], n=2) == 1


WORDS = st.text(st.sampled_from("abc"), max_size=7)


def slow_distance(a, b):
    if not a or not b:
        return len(a) + len(b)
    rest = slow_distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(slow_distance(a[1:], b) + 1, slow_distance(a, b[1:]) + 1, rest)


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS, WORDS)
def test_edit_distance_is_the_recursion_and_a_distance(a, b, c):
    d = metrics.edit_distance
    assert d(a, b) == slow_distance(a, b) == d(b, a)
    assert (d(a, b) == 0) == (a == b)
    assert d(a, c) <= d(a, b) + d(b, c)


def test_error_rates():
    assert metrics.edit_distance("intention", "execution") == 5
    assert metrics.edit_distance("saturday", "sunday") == 3
    assert metrics.character_error_rate(["abcd", "ab"], ["abxd", ""]) == pytest.approx(3 / 6)
    assert metrics.word_error_rate(["this is a test", "so is this"], ["this is test", "so is this one"]) == 2 / 7
    assert np.isnan(metrics.word_error_rate([""], ["a"]))


def test_overlaps():
    assert metrics.box_iou([0, 0, 2, 2], [0, 0, 2, 2]) == 1
    assert metrics.box_iou([0, 0, 1, 1], [2, 2, 3, 3]) == 0
    assert metrics.box_iou([0, 0, 4, 4], [1, 1, 3, 3]) == 0.25
    assert metrics.box_iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0
    boxes = np.sort(draw.uniform(0, 10, (5, 2, 2)), axis=1).reshape(5, 4)
    every = metrics.box_iou(boxes[:, None], boxes)
    assert every.shape == (5, 5)
    np.testing.assert_array_equal(every, every.T)
    np.testing.assert_allclose(np.diag(every), 1, rtol=1e-15)
    grid = (np.stack(np.meshgrid(*[np.arange(0.01, 10, 0.02)] * 2), axis=-1)).reshape(-1, 2)
    inside = [((grid >= b[:2]) & (grid <= b[2:])).all(axis=1) for b in boxes]
    counted = np.array([[(a & b).sum() / (a | b).sum() for b in inside] for a in inside])
    np.testing.assert_allclose(every, counted, atol=0.03)  # by counting points 0.02 apart
    metric = metrics.BoxIoU()
    assert metric.measure(boxes, boxes[::-1]) == pytest.approx(np.diag(every[:, ::-1]).mean(), rel=1e-14)
    assert in_batches(metric, boxes, boxes[::-1], None, compiled=True) == pytest.approx(
        every[range(5), range(4, -1, -1)].mean(), rel=1e-5
    )
    weighed = metric.measure(boxes, boxes[::-1], [1, 0, 0, 0, 0])
    assert weighed == pytest.approx(every[0, 4], rel=1e-14)


def detector():
    """Three pictures of one class with 4 boxes to find: right, wrong, right, right, and one found twice."""
    squares = [[i, 0, i + 2, 2] for i in (0, 10, 20, 30)]
    truth = [(squares[:2], [1, 1]), (squares[2:3], [1]), (squares[3:], [1])]
    found = [
        ([squares[0], [50, 0, 52, 2], [10, 0, 12, 1.9]], [1, 1, 1], [0.9, 0.8, 0.6]),
        ([squares[2], squares[2]], [1, 1], [0.7, 0.5]),
        (np.zeros((0, 4)), [], []),
    ]
    return truth, found


def test_average_precision_of_a_detector():
    truth, found = detector()
    # precision at each hit: 1, 2/3, 3/4, of which the highest from there on: 1, 3/4, 3/4; the fourth is never found
    expected = 0.25 * (1 + 3 / 4 + 3 / 4)
    assert metrics.detection_average_precision(truth, found, [0.5], "all") == pytest.approx(expected, rel=1e-14)
    # 101 recalls: 0 … 0.25 at 1, above to 0.75 at 3/4, then 0
    by_101 = (26 * 1 + 50 * 0.75) / 101
    assert metrics.detection_average_precision(truth, found, [0.5]) == pytest.approx(by_101, rel=1e-14)
    # At 0.96 the box of overlap 0.95 is wrong: right, wrong, right, wrong, wrong
    strict = metrics.detection_average_precision(truth, found, [0.96], "all")
    assert strict == pytest.approx(0.25 * (1 + 2 / 3), rel=1e-14)
    both = metrics.detection_average_precision(truth, found, [0.5, 0.96], "all")
    assert both == pytest.approx((expected + strict) / 2, rel=1e-14)


def test_a_detector_of_several_classes():
    truth, found = detector()
    other = [([[0, 0, 1, 1]], [0]), ([], []), ([], [])]
    both = [
        (np.concatenate([np.reshape(a, (-1, 4)), np.reshape(b, (-1, 4))]), [*c, *d])
        for (a, c), (b, d) in zip(truth, other, strict=True)
    ]
    one = metrics.detection_average_precision(truth, found, [0.5])
    assert metrics.detection_average_precision(both, found, [0.5]) == pytest.approx(one / 2)  # class 0 is never found
    assert metrics.detection_average_precision(truth, [([], [], [])] * 3) == 0
    assert np.isnan(metrics.detection_average_precision([([], [])], [([], [], [])]))
    perfect = [(boxes, classes, np.ones(len(classes))) for boxes, classes in truth]
    assert metrics.detection_average_precision(truth, perfect) == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.TopKAccuracy(0), UsageError, r"TopKAccuracy\(k=0\): a whole number"),
        (lambda: metrics.TopKAccuracy().measure([0, 1], [[0.1], [0.9]]), ShapeError, "there is no rank"),
        (lambda: metrics.Perplexity().measure([[0, 1]], [[0.5, 0.5]]), ShapeError, r"perplexity: y has shape \(1, 2\)"),
        (lambda: metrics.box_iou([0, 0, 1], [0, 0, 1, 1]), ShapeError, r"box_iou: .* \(3,\)"),
        (lambda: metrics.BoxIoU().measure([[0, 0, 1]], [[0, 0, 1]]), ShapeError, r"expected both \(n, 4\)"),
        (lambda: metrics.detection_average_precision([], [([], [], [])]), UsageError, "0 pictures, found 1"),
        (lambda: metrics.bleu(["a"], []), UsageError, "1 references and 0 hypotheses"),
        (lambda: metrics.bleu(["a"], "a"), UsageError, "found a string"),
        (lambda: metrics.bleu(["a"], ["a"], n=0), UsageError, r"bleu\(n=0\): a whole number"),
        (lambda: metrics.word_error_rate("a", ["a"]), UsageError, "found a string"),
    ],
)
def test_what_does_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        call()
