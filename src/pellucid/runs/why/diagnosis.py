"""All detectors, in one place, and in what order their findings are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pellucid.fit.history import History
from pellucid.runs.why import data, depth, learning, numbers, setup, units
from pellucid.runs.why.evidence import Evidence
from pellucid.runs.why.finding import Diagnosis, Finding, listed

Detector = Callable[[Evidence], Iterable[Finding]]

DETECTORS: tuple[tuple[Detector, ...], ...] = (
    (setup.softmax_twice, setup.one_unit_softmax, setup.wrong_loss, setup.targets_out_of_range),
    (data.constant_labels, data.unscaled_inputs, data.unscaled_targets, data.shuffled_labels, data.duplicate_rows),
    (depth.no_gradient, depth.identical_units, depth.exploding_gradients),
    (learning.rate_too_high, learning.rate_too_low, learning.rate_fell_to_zero, learning.batch_too_small),
    (units.saturated_units, depth.vanishing_gradients, units.dead_units, numbers.loss_spike, numbers.not_finite),
    (data.class_imbalance,),
    (learning.loss_not_decreasing,),
)
"""Causes before what they cause: what is set up wrongly, what is wrong with the data, the start, the learning rate;
then, by their step, what happens on the way; last, that nothing came of it."""

EXPLAINS: dict[str, frozenset[str]] = {
    "unscaled inputs": frozenset({"shuffled labels"}),
    "unscaled targets": frozenset({"shuffled labels"}),
    "constant labels": frozenset(
        {"shuffled labels", "loss not decreasing", "no gradient", "dead relu units", "saturated units"}
    ),
    "softmax over one unit": frozenset({"no gradient", "loss not decreasing", "class imbalance"}),
    "shuffled labels": frozenset({"learning rate too low", "batch too small", "class imbalance", "dead relu units"}),
    "targets out of the output's range": frozenset({"learning rate too high", "learning rate too low"}),
    "wrong loss for the output": frozenset({"learning rate too high", "learning rate too low", "class imbalance"}),
    "softmax twice": frozenset({"learning rate too low", "vanishing gradients"}),
    "no gradient": frozenset({"learning rate too low", "dead relu units"}),
    "not finite": frozenset({"class imbalance"}),
}
"""What needs no word of its own where its cause was found."""


def diagnose(run: History) -> Diagnosis:
    """What went wrong in a run, if anything, the cause before what it causes; the run is replayed for it.

    Raises DataError where the data of the run moved or changed.
    """
    evidence = Evidence(run)
    found: list[Finding] = []
    for stage in DETECTORS:
        told = [finding for detector in stage for finding in detector(evidence)]
        found += sorted(told, key=lambda finding: -1 if finding.step is None else finding.step)
    explained = {kind for finding in found for kind in EXPLAINS.get(finding.kind, ())}
    kept = [finding for finding in found if finding.kind not in explained]
    return Diagnosis([_typed(finding) for finding in kept], _looked_at(evidence), run.folder)


def _typed(finding: Finding) -> Finding:
    """Numbers to try in three digits, as a person would type them."""
    short = {name: float(f"{v:.3g}") if isinstance(v, float) else v for name, v in finding.rewind.items()}
    return replace(finding, rewind=short)


def _looked_at(e: Evidence) -> str:
    steps = listed([probe.number for probe in e.probes], 10)
    return (
        f"The losses of {e.last - e.first:,} steps, the states before steps {steps} on {len(e.places):,} "
        "training rows, "
        f"and the numbers of {len(e.table_places):,} rows were looked at: for values that are not finite, "
        "spikes, a loss "
        "that does not fall, the learning rate and the batch size, gradients by layer, dead and saturated "
        "units, the scale of "
        "the data, its labels and classes, repeated rows, and whether loss and output fit each other."
    )
