"""Numbers that leave their course at one step: a loss that jumps, and the first value that is not finite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy

from pellucid.autodiff import Node, Tape, Value
from pellucid.data.dataset import Numbers
from pellucid.data.named import first
from pellucid.pages.number import number
from pellucid.runs.why.evidence import Evidence, Probe, lower
from pellucid.runs.why.finding import Finding, listed

WINDOW = 64
"""How many losses before a step it is compared with."""
LEAST = 4
HIGHER = 3.0
"""A spike is higher than the highest of them by this factor, …"""
SPREADS = 10.0
"""… and above their median by as many robust deviations (1.4826 times the median of |loss - median|)."""
MATTERS = 0.1
"""… and not below this share of the first loss: a loss of 1e-6 that becomes 1e-5 is none."""
WORSE = 2.0
"""A spike counts where the update before it raised the loss of the sample by this factor, or the one after did; else
the batch is only a hard one."""
CANDIDATES = 3
NEAR_END = 3
"""A run that stops being finite within so many steps of a spike ends by it: one finding says both."""


def loss_spike(e: Evidence) -> Iterable[Finding]:
    """A step whose loss is far above those before it, told apart from a batch that is only hard."""
    for step in _candidates(e)[:CANDIDATES]:
        now, then = e.probe(step), e.probe(max(e.first, step - 1))
        if e.failed and e.last - step <= NEAR_END and not len(e.odd(now.batch)) and not len(e.odd(then.batch)):
            return
        before = min(then.loss, e.probe(max(e.first, step - 4)).loss)
        if now.loss >= WORSE * before and now.loss > MATTERS * e.start.loss:
            yield _after_update(e, step, then, now)
            return
        odd = e.odd(now.batch)
        after = e.probe(min(step + 1, e.last)).loss
        if len(odd) or (after >= WORSE * now.loss and after > MATTERS * e.start.loss):
            yield _by_rows(e, step, now, odd)
            return


def _after_update(e: Evidence, step: int, then: Probe, now: Probe) -> Finding:
    odd = e.odd(then.batch)
    rows = then.places[odd] if len(odd) else then.places
    rate = float(e.step.optimizer.rate(numpy, step - 1))
    cause = (
        f"rows {listed(e.rows(rows))} of that update's batch are far larger than the others, and so was its gradient"
        if len(odd)
        else f"the update of step {step - 1} was too long at its learning rate of {rate:g}"
    )
    return Finding(
        "loss spike",
        f"the loss of step {step} is {number(e.losses[step], 4)}, the median of those before it "
        f"{number(numpy.median(e.losses[max(e.first, step - WINDOW) : step]), 4)}; the update of step "
        f"{step - 1} took the "
        f"loss of {len(e.places):,} rows from {number(then.loss, 4)} to {number(now.loss, 4)} and changed "
        "the weights by "
        f"{then.ratio:.2g} of their size; {_lasting(e, step)}",
        cause,
        "look at these rows, and limit the gradients by global_clipnorm=1.0"
        if len(odd)
        else f"a learning rate of {lower(rate):g} from step {step - 1} on, or global_clipnorm=1.0",
        step=step,
        rows=e.rows(rows),
        rewind=e.clipped if len(odd) else {"learning_rate": lower(rate)},
        at=max(e.first, step - 1),
    )


def _by_rows(e: Evidence, step: int, now: Probe, odd: Numbers) -> Finding:
    after = e.probe(min(step + 1, e.last))
    with numpy.errstate(all="ignore"):
        each = (
            numpy.asarray(e.loss.rows(now.batch.y, now.taken[1].y_pred).array).reshape(len(now.places), -1).mean(axis=1)
        )
    worst = odd if len(odd) else numpy.argsort(-each)[:1]
    share = float(each[worst].sum() / each.sum())
    return Finding(
        "loss spike",
        f"the loss of step {step} is {number(e.losses[step], 4)}, the median of those before it "
        f"{number(numpy.median(e.losses[max(e.first, step - WINDOW) : step]), 4)}; {share:.0%} of it comes from "
        f"{len(worst)} of {len(each)} rows. The update of that step changed the weights by {now.ratio:.2g} of "
        "their size and "
        f"took the loss of {len(e.places):,} rows from {number(now.loss, 4)} to {number(after.loss, 4)}; "
        f"{_lasting(e, step)}",
        "these rows are far from the others: an error in the data, or an outlier",
        "correct or drop these rows, or limit what one batch can do by global_clipnorm=1.0",
        step=step,
        rows=e.rows(now.places[worst]),
        rewind=e.clipped,
        at=step,
    )


def not_finite(e: Evidence) -> Iterable[Finding]:
    """The first value of the failing step that is not finite: forward, backward, or in the update."""
    if not e.failed:
        return
    step = e.last
    place = _first_bad(e)
    odd = e.odd(e.end.batch)
    rows = e.end.places[place.rows] if len(place.rows) else e.end.places[odd]
    rate = float(e.step.optimizer.rate(numpy, step))
    grown = _grows_from(e)
    planted = _odd_before(e, grown) if grown is not None else ()
    if len(odd):
        rows = e.end.places[odd]
        cause = f"rows {listed(e.rows(rows))} of the batch are far larger than the others"
        change, rewind, at = "correct or drop these rows", {}, step
    elif planted:
        cause = f"rows {listed(planted)}, far larger than the others, were trained on just before the loss grew"
        change, rewind, at = "correct or drop these rows, or global_clipnorm=1.0", e.clipped, grown or 0
    elif grown is not None:
        cause = f"the loss had grown since step {grown}: the steps are too long at a learning rate of {rate:g}"
        change, rewind, at = (
            f"a learning rate of {lower(rate):g} from step {grown} on",
            {"learning_rate": lower(rate)},
            grown,
        )
    elif place.domain:
        cause, change, rewind, at = place.domain, "keep its input in its domain, as by pl.clip or pl.maximum", {}, step
    else:
        holds = first(e.end.state.parameters).dtype
        cause = f"numbers grew beyond what {holds} holds, at weights as large as {place.largest:.3g}"
        change, rewind, at = "smaller initial weights, or global_clipnorm=1.0", e.clipped, max(e.first, step - 1)
    recent = [number(x, 4) for x in e.losses[-3:]]
    yield Finding(
        "not finite",
        f"at step {step} the first value that is not finite is {place.words}"
        + (f"; the losses before are {', '.join(recent)}" if recent else ""),
        cause,
        change,
        step=step,
        layer=place.layer,
        rows=e.rows(rows),
        rewind=rewind,
        at=at,
    )


@dataclass(frozen=True)
class _Place:
    words: str
    layer: str
    rows: Numbers
    """Places in the batch."""
    domain: str
    largest: float


def _first_bad(e: Evidence) -> _Place:
    """Where the first value is that is not finite."""
    after, done = e.end.taken
    largest = max((float(abs(w).max()) for w in e.end.state.parameters.values()), default=0.0)
    for tape in (done.loss.tape, None):
        # A compiled sum may overflow where NumPy's does not: then the compiled step's own tape is asked.
        tape = e.replay.open(e.last).tape if tape is None and _all_finite(after.parameters.values()) else tape
        bad = None if tape is None else next((row for row in tape.nodes if not _all_finite([row.output])), None)
        if bad is not None and tape is not None:
            return _placed(e, tape, bad, largest)
    path = next((path for path, w in after.parameters.items() if not _all_finite([w])), "")
    if not path:
        return _Place("in the loss of the compiled step alone", "", numpy.zeros(0, int), "", largest)
    index = tuple(int(i) for i in numpy.argwhere(~numpy.isfinite(after.parameters[path]))[0])
    words = f"in the update of {path}{list(index)}, whose gradient is {number(done.gradients[path][index], 4)}"
    return _Place(words, path.rpartition("/")[0], numpy.zeros(0, int), "", largest)


def _placed(e: Evidence, tape: Tape, bad: Node, largest: float) -> _Place:
    wrong = ~numpy.isfinite(bad.output)
    index = tuple(int(i) for i in numpy.argwhere(wrong)[0]) if wrong.ndim else ()
    count = len(e.end.places)
    per_row = wrong.ndim > 0 and wrong.shape[0] == count
    rows = numpy.flatnonzero(wrong.reshape(count, -1).any(axis=1)) if per_row else numpy.zeros(0, int)
    of = bad if bad.backward_of is None else tape.nodes[bad.backward_of]
    name = of.op.name if of.op else of.path
    where = of.path or "the loss"
    way = "" if bad.backward_of is None else "the gradient of "
    words = f"{way}{name} of {where}, element {list(index)}: {number(bad.output[index])}"
    if per_row:
        words += f", in {len(rows)} of {count} rows"
    domain = _outside_domain(bad, index)
    return _Place(words, of.path, rows, domain, largest)


def _outside_domain(row: Node, index: tuple[int, ...]) -> str:
    """What the op was given that it has no value for; "" where it only grew too large."""
    if row.op is None or row.op.name not in ("log", "divide", "sqrt", "power"):
        return ""
    arrays = [numpy.asarray(v.array if isinstance(v, Value) else v) for v in row.inputs]
    try:
        at = [float(numpy.broadcast_to(a, numpy.shape(row.output))[index]) for a in arrays]
    except ValueError:
        return ""
    name = row.op.name
    if (name == "log" and at[0] <= 0) or (name == "sqrt" and at[0] < 0) or (name == "divide" and at[-1] == 0):
        return f"{name} was given {' and '.join(number(v, 4) for v in at)}, for which it has no finite value"
    return ""


def _candidates(e: Evidence) -> list[int]:
    """Steps whose loss is far above those before."""
    found: list[int] = []
    for step in range(e.first + LEAST, e.last):
        before = e.losses[max(e.first, step - WINDOW) : step]
        loss, middle = e.losses[step], numpy.median(before)
        if loss <= HIGHER * before.max() or loss <= MATTERS * e.start.loss:
            continue
        if loss - middle > SPREADS * 1.4826 * numpy.median(abs(before - middle)):
            found.append(step)
    return found


def _lasting(e: Evidence, step: int) -> str:
    """Whether the loss came back."""
    usual = float(numpy.max(e.losses[max(e.first, step - WINDOW) : step]))
    later = e.losses[step + 1 :]
    back = numpy.flatnonzero(later <= usual)
    if not len(later):
        return "it is the last step"
    return f"it is back after {back[0] + 1} steps" if len(back) else f"it has not come back in {len(later)} steps"


def _grows_from(e: Evidence) -> int | None:
    """The step from which the losses only grew until the end; None where they did not."""
    losses = e.losses[e.first :]
    if len(losses) < 2:
        return e.first if len(losses) else None
    lowest = int(numpy.flatnonzero(losses <= 1.5 * numpy.median(losses[: max(3, len(losses) // 2)]))[-1])
    return e.first + lowest if losses[-1] > 3 * losses[lowest] or len(losses) - lowest > 3 else None


def _odd_before(e: Evidence, grown: int) -> tuple[int, ...]:
    """Rows far larger than the others in the batches with which the loss began to grow."""
    for step in range(grown, min(grown + 3, e.last)):
        places = e.plan.at(step)
        if len(odd := e.odd(e.data.take(places))):
            return e.rows(places[odd])
    return ()


def _all_finite(arrays: Iterable[Numbers]) -> bool:
    return all(a.dtype.kind != "f" or bool(numpy.isfinite(a).all()) for a in map(numpy.asarray, arrays))
