"""Numbers for people: how good a model's predictions are."""

from difflib import get_close_matches

from pellucid.errors import UsageError
from pellucid.nn.metrics.accuracy import Accuracy
from pellucid.nn.metrics.average_precision import MeanAveragePrecision
from pellucid.nn.metrics.boxes import BoxIoU, box_iou, detection_average_precision
from pellucid.nn.metrics.confusion import ConfusionMatrix
from pellucid.nn.metrics.metric import Metric
from pellucid.nn.metrics.outputs import OfOutput, OutputLoss
from pellucid.nn.metrics.perplexity import Perplexity
from pellucid.nn.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)
from pellucid.nn.metrics.retrieval import F1Score, Precision, Recall
from pellucid.nn.metrics.roc_auc import ROCAUC
from pellucid.nn.metrics.sequences import bleu, character_error_rate, edit_distance, word_error_rate
from pellucid.nn.metrics.top_k import TopKAccuracy
from pellucid.registry import library

__all__ = [
    "ROCAUC",
    "Accuracy",
    "BoxIoU",
    "ConfusionMatrix",
    "F1Score",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "MeanSquaredError",
    "Metric",
    "OfOutput",
    "OutputLoss",
    "Perplexity",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "bleu",
    "box_iou",
    "character_error_rate",
    "detection_average_precision",
    "edit_distance",
    "get",
    "word_error_rate",
]

_named = [cls for cls in library(Metric) if cls.name and "name" in vars(cls)]
BY_NAME: dict[str, type[Metric]] = dict(sorted((name, cls) for cls in _named for name in (cls.name, *cls.aliases)))


def get(metric: str | Metric) -> Metric:
    """The metric of a Keras name, called by that name in the history, or the object as it is.

    Upper and lower case are alike; a class's name gives that class. Raises UsageError for an unknown name,
    with the names near it.

    >>> get("mse")
    MeanSquaredError(name='mse')
    >>> get("accurracy")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: unknown metric 'accurracy'; did you mean accuracy?
    """
    if isinstance(metric, Metric):
        return metric
    name = str(metric)
    for kind in BY_NAME.values():
        if name == kind.__name__:
            return kind()
    if name.lower() in BY_NAME:
        return BY_NAME[name.lower()](name=name.lower())
    near = get_close_matches(name.lower(), BY_NAME, cutoff=0.75)
    hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(BY_NAME)}"
    raise UsageError(f"unknown metric {metric!r}; {hint}")
