"""How the run learned: the learning rate and the size of a batch, judged by trying the same steps otherwise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy

from pellucid.data.dataset import Plan
from pellucid.pages.number import number
from pellucid.runs.why.evidence import Evidence, lower
from pellucid.runs.why.finding import Finding
from pellucid.runs.why.trial import steps_of, tried

UNLEARNED = 0.1
LEARNS = 0.2
"""The skill after a few steps at a lower rate that tells a rate that is too high from data that can not be learned."""
CLIMBED = 2.0
"""A loss that was ever so many times the first one was thrown about, even if it came back."""
RESTLESS = 0.1
"""Share of the weights' size that a step changes, from which it is large; about 0.001 is usual."""
HALF = 0.5
"""How much lower the loss at another rate has to be: far outside of what the order of the batches does."""
CALM = 3e-4
"""Share of the weights' size below which no step may be for the rate to be called too low."""
BETTER = 0.9
"""What another rate has to bring the loss below, as a share of the one that it is compared with."""
ZERO = 1e-3
"""Share of its highest value below which a rate that changes counts as 0 …"""
LONG = 0.5
"""… and the share of the run for which it has to be; a cosine is there for 2 % of it."""
SMALL_BATCH = 8
NOISY = 8.0
"""Noise scale over batch size, above which a gradient is mostly noise (McCandlish et al. 2018, arXiv:1812.06162)."""
NOISE_BATCHES = 32
"""Batches whose gradients the noise scale is taken from."""
SETTLED = 0.85
"""How much lower the loss has to be after as many steps of larger batches, as they average the noise out."""
STILL = 0.02
"""A loss that fell by a smaller share than this stands still."""


def rate_too_high(e: Evidence) -> Iterable[Finding]:
    """The same steps, from the same start, at a tenth, a hundredth and a thousandth of the rate."""
    rate = float(numpy.median(e.rates[1]))
    diverged = e.failed and _grew(e)
    ratios = [probe.ratio for probe in e.probes[:-1]]
    restless = bool(ratios) and float(numpy.median(ratios)) > RESTLESS and e.skill < 0.9
    climbed = any(probe.loss > CLIMBED * e.start.loss for probe in e.probes)
    if rate == 0 or not (diverged or climbed or e.skill < UNLEARNED or e.progress <= 0 or restless):
        return
    steps = steps_of(e)
    own = tried(e, e.start, rate, steps)
    if diverged and e.last - e.first <= steps:
        own = numpy.inf  # the run's own schedule did not get so far either
    slower = {factor: tried(e, e.start, rate * factor, steps) for factor in (0.1, 0.01, 0.001)}
    factor = min(slower, key=lambda f: slower[f])
    best, other = slower[factor], float(f"{rate * factor:.3g}")
    learns = e.skill < UNLEARNED and e.skill_of(own) < UNLEARNED and e.skill_of(best) > LEARNS
    halves = best < HALF * min(own, max(e.end.loss, e.start.loss))
    if not (learns or halves) or not best < BETTER * min(e.start.loss, _reference(e)):
        return
    yield Finding(
        "learning rate too high",
        f"{steps} steps from step {e.first} at the rate {rate:g} take the loss from {number(e.start.loss, 4)} to "
        f"{number(own, 4)}, at {other:g} to {number(best, 4)}; a step changes the weights by up to "
        f"{max(ratios, default=0):.2g} of their size (about 0.001 is usual)",
        "the steps are longer than the way to the valley, so the loss is thrown about or climbs",
        f"a learning rate of {other:g}, {1 / factor:g} times lower",
        step=e.first,
        rewind={"learning_rate": other},
        at=e.first,
    )


def rate_too_low(e: Evidence) -> Iterable[Finding]:
    """The same steps at ten, a hundred and a thousand times the rate, which get further than the whole run did."""
    rate = float(e.rates[1].max())
    if e.failed or e.skill >= 0.5 or e.last == e.first:
        return
    ratio = max(probe.ratio for probe in e.probes[:-1])
    if ratio >= CALM:
        return
    steps = steps_of(e)
    best_rate, best = _higher(e, rate or 1e-4, steps)
    if not best < BETTER * e.start.loss or not e.start.loss - best > 2 * (e.start.loss - e.end.loss):
        return
    yield Finding(
        "learning rate too low",
        f"in {e.last - e.first:,} steps at rates up to {rate:g} the loss went from {number(e.start.loss, 4)} to "
        f"{number(e.end.loss, 4)}; {steps} steps at {best_rate:g} take it to {number(best, 4)}. A step "
        "changes the weights by "
        f"{ratio:.2g} of their size (about 0.001 is usual)",
        "the steps are too short to get anywhere in so many of them",
        f"a learning rate of {best_rate:g}",
        step=e.first,
        rewind={"learning_rate": best_rate},
        at=e.first,
    )


def _higher(e: Evidence, rate: float, steps: int) -> tuple[float, float]:
    """The rate, ten times higher again and again, with which so many steps get furthest, and the loss there."""
    best_rate, best = rate, numpy.inf
    for _ in range(8):
        rate *= 10
        loss = tried(e, e.start, rate, steps)
        if loss < best:
            best_rate, best = rate, loss
        elif best < BETTER * e.start.loss:
            break
    return best_rate, best


def rate_fell_to_zero(e: Evidence) -> Iterable[Finding]:
    """A schedule that came to its end long before the run did."""
    steps, rates = e.rates
    peak = float(f"{numpy.quantile(rates, 0.97):.3g}")  # not that of a single step
    late = numpy.flatnonzero(rates > ZERO * peak)
    if peak == 0 or e.failed or not len(late) or late[-1] + 1 >= len(steps):
        return
    since = int(steps[late[-1] + 1])
    while since - 1 > int(steps[late[-1]]) and float(e.step.optimizer.rate(numpy, since - 1)) <= ZERO * peak:
        since -= 1
    if e.last - since < LONG * (e.last - e.first):
        return
    trials = {rate: tried(e, e.end, rate, steps_of(e)) for rate in (peak, peak / 10)}
    rate = min(trials, key=lambda r: trials[r])
    if not trials[rate] < BETTER * e.end.loss:
        return
    yield Finding(
        "learning rate too low",
        f"from step {since} on the learning rate is below a thousandth of what it was, {peak:g}, for "
        f"{e.last - since:,} of "
        f"{e.last - e.first:,} steps; from the end, {steps_of(e)} steps at {rate:g} take the loss from "
        f"{number(e.end.loss, 4)} to {number(trials[rate], 4)}",
        "the schedule reaches 0 long before the last step",
        f"a schedule as long as the run, {e.last:,} steps; or a constant rate of {rate:g}",
        step=since,
        rewind={"learning_rate": rate},
        at=since,
    )


def batch_too_small(e: Evidence) -> Iterable[Finding]:
    """A loss that jumps and no longer falls, since a gradient from so few rows is mostly noise."""
    size = e.plan.batch_size
    if size > SMALL_BATCH or len(e.data) < 8 * size or e.failed or e.skill >= 0.9 or len(e.probes) < 4:
        return
    late = [probe.loss for probe in e.probes[len(e.probes) // 2 :]]
    if not late[-1] > BETTER * numpy.median(late[:-1]):
        return  # it falls
    noise = noise_scale(e)
    if noise is None or noise <= NOISY * size:
        return
    steps, rate = steps_of(e), float(e.rates[1][-1])
    larger = 32 if size < 4 else 64
    own = tried(e, e.end, rate, steps, size)
    other = tried(e, e.end, rate, steps, larger)
    if not other < SETTLED * min(own, float(numpy.median(late))):
        return
    yield Finding(
        "batch too small",
        f"the loss of the sample is {', '.join(number(x, 3) for x in late)} at the last steps looked at and "
        "no longer falls; "
        f"the noise scale of the gradient is {noise:.0f} rows, a batch has {size}. From the end, {steps} "
        "steps with batches "
        f"of {larger} take it to {number(other, 3)}, with {size} to {number(own, 3)}",
        "the gradient of so few rows points elsewhere each time, and the steps are too long to average that out",
        f"batch_size={larger}, or a tenth of the learning rate",
        step=e.first,
        rewind={"batch_size": larger} if e.first == 0 else {"learning_rate": lower(rate)},
        at=e.first,
    )


def loss_not_decreasing(e: Evidence) -> Iterable[Finding]:
    """A loss that is, at the end, what it was at the start, or what a constant prediction gives."""
    if e.failed or e.last - e.first < 5:
        return
    middle = e.probes[len(e.probes) // 2].loss
    stands = middle <= 0 or 1 - e.end.loss / middle < STILL
    no_better = e.constant is not None and e.skill < STILL
    if not (e.progress < STILL or (no_better and stands)):
        return
    rate = float(numpy.median(e.rates[1]))
    other = lower(rate) if e.progress < 0 else lower(100 * rate)
    constant = "" if e.constant is None else f"; the best constant prediction has {number(e.constant, 4)}"
    yield Finding(
        "loss not decreasing",
        f"the loss of {len(e.places):,} training rows is {number(e.start.loss, 4)} at step {e.first}, "
        f"{number(middle, 4)} "
        f"half way and {number(e.end.loss, 4)} after step {e.last - 1}{constant}",
        "the network has learned nothing that a constant does not know",
        f"a learning rate of {other:g}; but first what else was found",
        step=e.first,
        rewind={"learning_rate": other} if other else {},
        at=e.first,
    )


def noise_scale(e: Evidence) -> float | None:
    """How many rows a batch needs for its gradient to be more signal than noise: tr(Σ) / |G|², at the final state.

    From the squared length of the gradient of small batches and of the sample, as McCandlish et al. 2018 (appendix A.1)
    have it. None where the gradient cannot be told from 0.
    """
    small, large = e.plan.batch_size, len(e.places)
    if large <= small:
        return None
    plan = Plan(len(e.data), small, e.plan.seed)
    found: list[float] = []
    for places, _ in zip(plan.batches(0), range(NOISE_BATCHES), strict=False):
        with numpy.errstate(all="ignore"):
            done = e.step.backprop(e.end.state, e.data.take(places), e.last)
        found.append(sum(float(numpy.sum(numpy.square(g, dtype=float))) for g in done.gradients.values()))
    whole = sum(float(numpy.sum(numpy.square(g, dtype=float))) for g in e.end.passed.gradients.values())
    of_batch = float(numpy.mean(found))
    signal = (large * whole - small * of_batch) / (large - small)
    noise = (of_batch - whole) / (1 / small - 1 / large)
    return noise / signal if signal > 0 else noise / max(whole, 1e-30)


def _grew(e: Evidence) -> bool:
    """Whether the last losses were larger than the first ones: it diverged, not a single row."""
    if len(e.losses) < 3:
        return True
    return bool(numpy.median(e.losses[-3:]) > 2 * numpy.median(e.losses[: max(3, len(e.losses) // 2)]))


def _reference(e: Evidence) -> float:
    return e.start.loss if e.constant is None else max(e.constant, 0.0) or e.start.loss
