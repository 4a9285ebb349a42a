"""Numbers for people: how good a model's predictions are."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pellucid.errors import UsageError
from pellucid.nn import losses
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
    "from_json",
    "get",
    "word_error_rate",
]

BY_NAME: dict[str, type[Metric]] = {
    "acc": Accuracy,
    "accuracy": Accuracy,
    "auc": ROCAUC,
    "binary_accuracy": Accuracy,
    "box_iou": BoxIoU,
    "categorical_accuracy": Accuracy,
    "confusion_matrix": ConfusionMatrix,
    "f1": F1Score,
    "f1_score": F1Score,
    "mae": MeanAbsoluteError,
    "map": MeanAveragePrecision,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_average_precision": MeanAveragePrecision,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "perplexity": Perplexity,
    "precision": Precision,
    "r2": R2Score,
    "r2_score": R2Score,
    "recall": Recall,
    "rmse": RootMeanSquaredError,
    "roc_auc": ROCAUC,
    "root_mean_squared_error": RootMeanSquaredError,
    "sparse_categorical_accuracy": Accuracy,
    "sparse_top_k_categorical_accuracy": TopKAccuracy,
    "top_k_accuracy": TopKAccuracy,
    "top_k_categorical_accuracy": TopKAccuracy,
}


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


def from_json(data: Mapping[str, Any]) -> Metric:
    """The metric that `to_json` wrote; UsageError for a class that is not a metric.

    >>> from_json({"metric": "Accuracy", "threshold": 0.4})
    Accuracy(name='accuracy', threshold=0.4, ignore_class=None)
    """
    if data.get("metric") == "OfOutput":
        return OfOutput(data["output"], from_json(data["of"]), name=data["name"])
    if data.get("metric") == "OutputLoss":
        return OutputLoss(data["output"], losses.from_json(data["loss"]), name=data["name"])
    known = {kind.__name__: kind for kind in BY_NAME.values()}
    kind = data.get("metric")
    if kind not in known:
        raise UsageError(f"{kind!r} is no metric; expected one of {', '.join(known)}")
    return known[kind](**{name: value for name, value in data.items() if name != "metric"})
