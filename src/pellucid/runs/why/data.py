"""Faults of the data: inputs and targets out of scale, labels that say nothing, classes too rare, rows in "
"both parts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy

from pellucid.data.dataset import Batch, Dataset, Numbers
from pellucid.data.tables.category_name import CategoryName
from pellucid.engine.engines import NumpyEngine
from pellucid.engine.loop import evaluate
from pellucid.nn.layers.dense import CategoryEmbedding
from pellucid.nn.layers.normalization import BatchNormalization
from pellucid.nn.layers.scaling import Normalization, Rescaling
from pellucid.nn.layers.sequences import Embedding
from pellucid.pages.number import number
from pellucid.runs.why.baseline import constant_loss
from pellucid.runs.why.evidence import Evidence, as_one, evenly
from pellucid.runs.why.finding import Finding, listed
from pellucid.runs.why.neighbours import along_a_line, likeness

LARGE = 30.0
"""The size (root of the mean square) of an input column from which it is out of scale. Initial weights are drawn for
columns of size 1; standardised columns have that, pixels from 0 to 16 are below 10."""
UNEVEN = 100.0
"""How many times larger than the middle column the largest is, from which the others hardly count."""
SMALL = 0.02
"""The size of the largest column below which all inputs are out of scale."""
LEARNED = 0.9
"""A run with this skill has not suffered from its inputs."""
RARE = 20.0
"""The most frequent class over the rarest: above it, a class is called rare whatever becomes of it …"""
FOUND = 0.8
"""… unless the network finds so many of its rows."""
RARE_IGNORED, IGNORED = 5.0, 0.05
"""Above this ratio a class is called rare where fewer than this share of its rows are found."""
TWINS, TWINS_LEAST = 0.1, 5
"""Share and number of validation rows that are training rows too, from which they are reported; where no column is
measured so finely that two rows do not agree by chance, also three times the share of twins within training rows."""
FINE = 0.5
"""A column is measured finely where at least so many of the different rows have a value of their own."""
CHANCE = 2.0
"""Near rows whose targets are alike by fewer standard deviations of chance than this say nothing of each other."""
UNLEARNED = 0.02
TARGET_LARGE = 10.0


def constant_labels(e: Evidence) -> Iterable[Finding]:
    """Targets that are all the same."""
    y = as_one(e.data.take(numpy.arange(len(e.data)))).y if len(e.data) <= 1_000_000 else e.table.y
    y = y.reshape(len(y), -1)
    if len(y) > 1 and (y == y[0]).all():
        value = listed([number(v) for v in y[0]])
        yield Finding(
            "constant labels",
            f"all {len(y):,} targets are {value}",
            "the targets were read from the wrong column, or selected down to one class",
            "look at the targets: numpy.unique(y, return_counts=True)",
            rows=e.rows(numpy.arange(min(8, len(y)))),
        )


def unscaled_inputs(e: Evidence) -> Iterable[Finding]:
    """Columns far from the size that initial weights are drawn for. (LeCun et al. 1998, "
    "doi:10.1007/3-540-49430-8_2.)"""
    layers = list(e.run.model.children().values())
    if (layers and isinstance(layers[0], BatchNormalization | Normalization | Embedding)) or e.table.x.ndim < 2:
        return
    x = numpy.asarray(e.table.x, numpy.float64).reshape(len(e.table.x), -1)
    if layers and isinstance(layers[0], CategoryEmbedding):  # its last columns are codes
        x = x[:, : x.shape[1] - len(layers[0].sizes)]
    codes = [i for i, name in enumerate(e.replay.naming.features[: x.shape[1]]) if isinstance(name, CategoryName)]
    if codes:  # looked up in a table, so that their size is no matter
        x = x.copy()
        x[:, codes] = 0
    if not x.shape[1] or (e.skill >= LEARNED and not e.failed):
        return
    if scaled := next((layer for layer in layers[:2] if isinstance(layer, Rescaling)), None):
        x = x * scaled.scale + scaled.offset
    size = numpy.sqrt((x * x).mean(axis=0))
    # A column with one outlier is an outlier's fault: the size is that of all rows but the largest hundredth.
    bulk = numpy.sqrt((numpy.sort(x * x, axis=0)[: max(1, int(0.99 * len(x)))]).mean(axis=0))
    worst = int(bulk.argmax())
    middle = float(numpy.median(bulk[bulk > 0])) if (bulk > 0).any() else 0.0
    large = bulk[worst] > LARGE or (bulk[worst] > UNEVEN * middle > 0 and bulk[worst] > 1)
    small = 0 < size.max() < SMALL
    if not large and not small:
        return
    name = e.replay.naming.features[worst] if worst < len(e.replay.naming.features) else f"column {worst}"
    yield Finding(
        "unscaled inputs",
        f"{name} of the inputs has size {number(bulk[worst], 3)} (root mean square; from "
        f"{number(x[:, worst].min(), 4)} to "
        f"{number(x[:, worst].max(), 4)}), the middle column {number(middle, 3)}; the initial weights are "
        "drawn for size 1",
        "a gradient is proportional to its input, so one learning rate can not fit weights of inputs of so "
        "different a size"
        if large
        else "the inputs are so small that the weights would have to become very large",
        "standardise each column, (x - mean) / deviation, or put pl.BatchNormalization() first",
        step=e.first,
        layer=next(iter(e.layers()), ""),
    )


def unscaled_targets(e: Evidence) -> Iterable[Finding]:
    """Quantities so large that the network is still on its way to their mean."""
    if e.several or e.loss.link is not None or e.skill >= 0 or e.failed or e.output in ("sigmoid", "tanh", "softmax"):
        return
    y = numpy.asarray(e.sample.y, numpy.float64).reshape(len(e.sample.y), -1)
    predicted = numpy.asarray(e.end.passed.y_pred.array, numpy.float64).reshape(len(y), -1)
    size, spread = numpy.sqrt((y * y).mean(axis=0)), y.std(axis=0)
    off = abs(predicted.mean(axis=0) - y.mean(axis=0))
    for k in numpy.flatnonzero((size > TARGET_LARGE) & (off > spread) & (abs(predicted).mean(axis=0) < size))[:1]:
        yield Finding(
            "unscaled targets",
            f"the targets have mean {number(y[:, k].mean(), 4)} and deviation {number(spread[k], 4)}; after "
            f"{e.last} steps the "
            f"mean prediction is {number(predicted[:, k].mean(), 4)}, so the loss is still above that of the "
            "mean alone "
            f"({number(e.constant or 0, 4)})",
            "the first outputs are near 0, and the last bias has to be carried all the way by small steps",
            "standardise the targets, (y - mean) / deviation, and undo it on the predictions",
            step=e.first,
            layer=e.output_layer,
        )


def shuffled_labels(e: Evidence) -> Iterable[Finding]:
    """Targets that do not follow from the inputs, judged where the network did not learn either."""
    y = e.table.y
    if e.failed or len(y) < 50 or (y.size != len(y) and e.classes is None) or e.constant is None:
        return
    learned = _validation_skill(e)
    if (learned if learned is not None else e.skill) > UNLEARNED:
        return
    target = e.classes if e.classes is not None else y.reshape(-1)
    same, chance, spread = likeness(e.table.x, target, e.classes is not None)
    line, line_chance, line_spread = along_a_line(e.table.x, target)
    if same > chance + CHANCE * spread or line > line_chance + CHANCE * line_spread:
        return
    where = "validation" if learned is not None else "training"
    what = "share of near rows with the same class" if e.classes is not None else "correlation of near rows' targets"
    yield Finding(
        "shuffled labels",
        f"the {what} is {same:.3f}, and {chance:.3f} ± {spread:.3f} with the labels shuffled; a linear function "
        f"explains {line:.3f} of them, {line_chance:.3f} ± {line_spread:.3f} when shuffled; on the {where} rows the "
        "loss is no better than that of a constant prediction (skill "
        f"{(learned if learned is not None else e.skill):.2f})",
        "the targets do not belong to these inputs: rows were put in another order, joined wrongly, or the inputs say "
        "nothing about the targets",
        "compare some rows of x and y with their source",
        rows=e.rows(e.table_places[:8]),
    )


def class_imbalance(e: Evidence) -> Iterable[Finding]:
    """A class so rare that the network can ignore it."""
    if e.classes is None:
        return
    weight = numpy.ones(len(e.classes)) if e.table.weight is None else numpy.asarray(e.table.weight, numpy.float64)
    share = numpy.bincount(e.classes, weight)
    count = numpy.bincount(e.classes)
    if (count > 0).sum() < 2:
        return
    rare = int(numpy.where(count > 0, share, numpy.inf).argmin())
    ratio = float(share.max() / share[rare])
    rows = numpy.flatnonzero(e.classes == rare)
    recall = _recall(e, rows, rare)
    if not (ratio > RARE and recall < FOUND) and not (ratio > RARE_IGNORED and recall < IGNORED):
        return
    label = e.replay.naming.classes[rare] if rare < len(e.replay.naming.classes) else str(rare)
    yield Finding(
        "class imbalance",
        f"class {label} has {count[rare]:,} of {len(e.classes):,} rows, the largest class {ratio:.0f} times "
        "as many; at the end "
        f"the network finds {recall:.0%} of its rows",
        "the loss is nearly as low without the rare class",
        f"weigh it up: fit(…, class_weight={{{rare}: {ratio:.0f}}}), or gather more of its rows",
        rows=e.rows(e.table_places[rows]),
    )


def duplicate_rows(e: Evidence) -> Iterable[Finding]:
    """Validation rows that were trained on."""
    validation = e.run.validation
    if validation is None:
        return
    training = _keys(e.data, evenly(len(e.data), 100_000))
    places = evenly(len(validation), 5_000)
    known, counts = numpy.unique(training, return_counts=True)
    held = _keys(validation, places)
    twins = numpy.isin(held, known)
    within = float(counts[counts > 1].sum() / len(training))
    if twins.sum() < TWINS_LEAST or twins.mean() < (TWINS if _measured(e) else max(TWINS, 3 * within)):
        return
    rows = numpy.flatnonzero(numpy.isin(training, held[twins]))
    yield Finding(
        "duplicate rows",
        f"{twins.sum():,} of {len(places):,} validation rows looked at ({twins.mean():.0%}) are training rows "
        "too, inputs and "
        f"targets alike; within the training rows {within:.0%} have a twin",
        "rows were repeated before the split, or one part was cut from the other",
        "drop the duplicates before splitting: numpy.unique(rows, axis=0)",
        rows=e.rows(evenly(len(e.data), 100_000)[rows]),
    )


def _measured(e: Evidence) -> bool:
    """Whether some input is measured so finely that two rows do not agree in it by chance."""
    x = numpy.unique(e.table.x.reshape(len(e.table.x), -1), axis=0)
    return any(len(numpy.unique(column)) >= FINE * len(x) for column in x.T)


def _keys(data: Dataset, places: Numbers) -> Numbers:
    """Each row's bytes, inputs and targets, as one number; equal rows have equal ones."""
    x, y, _ = as_one(data.take(places))
    both = numpy.concatenate([x.reshape(len(x), -1), y.reshape(len(y), -1).astype(x.dtype)], axis=1) + 0.0  # no -0.0
    return numpy.asarray([hash(row.tobytes()) for row in both])


def _recall(e: Evidence, rows: Numbers, label: int) -> float:
    """The share of these rows of the table that the final network takes for their class."""
    batch = e.data.take(e.table_places[rows])
    with numpy.errstate(all="ignore"):
        raw = e.step.forward(e.end.state, batch, e.last, False).y_pred.array
        p = numpy.asarray(e.loss.prediction(raw))
    guess = (p[:, 0] > 0.5).astype(int) if p.shape[-1] == 1 else p.argmax(axis=-1)
    return float((guess == label).mean())


def _validation_skill(e: Evidence) -> float | None:
    """The best skill of any probed state on the validation rows; None without such rows."""
    if e.run.validation is None:
        return None
    part = e.run.validation.part(evenly(len(e.run.validation), 1024))
    batch: Batch = part.take(numpy.arange(len(part)))
    constant = constant_loss(e.loss, batch)
    if constant is None:
        return None
    engine = NumpyEngine(e.step)
    found = [float(evaluate(engine, probe.state, part)["loss"]) for probe in e.probes]
    return max(1 - loss / constant if numpy.isfinite(loss) else -numpy.inf for loss in found)
