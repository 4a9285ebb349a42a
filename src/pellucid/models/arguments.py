"""What a person may give `fit` and its kin, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from pellucid.data.dataset import Numbers
from pellucid.errors import UsageError
from pellucid.gradcheck import SPSA, FiniteDifference
from pellucid.nn import losses, metrics
from pellucid.storage import Recording

METHODS = {"backprop": None, "finite_difference": FiniteDifference(), "spsa": SPSA()}


def method_of(method: str | FiniteDifference | SPSA) -> FiniteDifference | SPSA | None:
    """How gradients are found: None for back-propagation."""
    if isinstance(method, FiniteDifference | SPSA):
        return method
    if method not in METHODS:
        raise UsageError(f"method={method!r} is not known; it is {' or '.join(map(repr, METHODS))}")
    return METHODS[method]


def recording_of(record: bool | str | Path | Recording) -> Recording | None:
    """How a run is recorded: None for not at all."""
    if isinstance(record, bool):
        return Recording() if record else None
    return record if isinstance(record, Recording) else Recording(folder=record)


def loss_of(
    given: str | losses.Loss | Mapping[str, str | losses.Loss] | None, weights: Mapping[str, float] | None
) -> losses.Loss | None:
    """The loss, by name or as it is; the weighted sum of those of several outputs."""
    if isinstance(given, Mapping) and given:
        return losses.WeightedSum.of({str(name): losses.get(loss) for name, loss in given.items()}, weights)
    if weights is not None:
        raise UsageError("loss_weights weighs the losses of several outputs; give loss={name: …} with them")
    if isinstance(given, Mapping):
        raise UsageError("loss is an empty dict; give a loss for each output: loss={name: …}")
    return None if given is None else losses.get(given)


def check_outputs(loss: losses.Loss, units: Any) -> None:
    """Raises UsageError where a model and its loss do not have the same outputs."""
    if isinstance(loss, losses.WeightedSum):
        loss.agree(units, "what the model gives")
    elif isinstance(units, Mapping):
        raise UsageError(
            f"the model gives several outputs ({', '.join(units)}); compile it with a loss for each: loss={{name: …}}"
        )


def metrics_of(
    given: Sequence[str | metrics.Metric] | Mapping[str, Sequence[str | metrics.Metric]], loss: losses.Loss | None
) -> tuple[metrics.Metric, ...]:
    """Each metric, by name or as it is; of several outputs, after the loss of each."""
    if isinstance(given, str):
        raise UsageError(f"metrics is a list: metrics=[{given!r}]")
    if not isinstance(loss, losses.WeightedSum):
        if isinstance(given, Mapping):
            raise UsageError("metrics is a dict only with several outputs; give loss={name: …} with it, or a list")
        return tuple(metrics.get(metric) for metric in given)
    if given and not isinstance(given, Mapping):
        raise UsageError(f"of several outputs, say which is measured: metrics={{{loss.outputs[0]!r}: [{given[0]!r}]}}")
    by_output = dict(given) if isinstance(given, Mapping) else {}
    if unknown := by_output.keys() - set(loss.outputs):
        raise UsageError(f"metrics names {', '.join(sorted(unknown))}; the outputs are {', '.join(loss.outputs)}")
    found: list[metrics.Metric] = [metrics.OutputLoss(name, part) for name, part in loss.parts.items()]
    for name, wanted in by_output.items():
        wanted = [wanted] if isinstance(wanted, str | metrics.Metric) else wanted
        found += [metrics.OfOutput(name, metrics.get(metric)) for metric in wanted]
    return tuple(found)


def class_weights(target: Any, weights: Mapping[int, float], dtype: str) -> Numbers:
    """The weight of each row, by the class of its target."""
    if isinstance(target, Mapping):
        raise UsageError("class_weight is for one output; with several give sample_weight, or loss_weights")
    labels = target.argmax(axis=-1) if target.ndim > 1 and target.shape[-1] > 1 else target.reshape(len(target))
    found = numpy.ones(len(labels), dtype)
    for label, weight in weights.items():
        if not (labels == label).any():
            raise UsageError(f"class_weight names the class {label}, but no target is of that class")
        found[labels == label] = weight
    return found


def three(given: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """validation_data as (x, y, sample_weight)."""
    if len(given) not in (2, 3):
        raise UsageError(f"validation_data is (x, y) or (x, y, sample_weight), not {len(given)} things")
    return given if len(given) == 3 else (*given, None)


def positive(name: str, value: int) -> int:
    """A whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | numpy.integer) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name}={value!r}: it is a whole number, 1 or more")
    return int(value)
