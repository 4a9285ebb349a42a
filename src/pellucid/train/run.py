"""A run: one training from its first step to its last, and what it left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.autodiff import FiniteDifference
from pellucid.errors import NotFiniteError, UsageError
from pellucid.train import engine as engines
from pellucid.train.callbacks import Callback
from pellucid.train.dataset import Dataset, Numbers, Plan
from pellucid.train.loop import Diverged, Loop
from pellucid.train.progress import Bar
from pellucid.train.replay import Replay
from pellucid.train.step import Arrays, State, Step

if TYPE_CHECKING:
    from pellucid.train.model import Model
    from pellucid.train.replay import OpenStep


@dataclass
class Run:
    """What `fit` returns: how the training went, and the way back to each of its steps."""

    model: Model
    replay: Replay
    history: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """By epoch, as Keras: "loss", each metric, and the same with `val_`."""
    step_history: dict[str, Numbers] = field(default_factory=dict[str, Numbers])
    """By step: "loss"."""
    status: str = "running"
    """"finished", "stopped early", "interrupted", "not finite" or "failed" (a callback raised)."""
    seconds: float = 0.0
    folder: Path | None = None
    """Where the run was written, if it was."""
    final: Arrays = field(default_factory=dict[str, Any])
    """The weights after the last step; the model may hold those of its best epoch."""

    @property
    def steps(self) -> int:
        return len(self.step_history["loss"])

    @property
    def epochs(self) -> int:
        return len(self.history.get("loss", []))

    def at(self, n: int) -> OpenStep:
        """Step n, opened: run again from the start of the run, with every value of its pass."""
        if not -self.steps <= n < self.steps:
            raise UsageError(f"step {n} is not there: the run has steps 0 to {self.steps - 1}")
        return self.replay.open(n % self.steps)


def train(
    model: Model,
    data: Dataset,
    validation: Dataset | None,
    *,
    batch_size: int,
    epochs: int,
    callbacks: Sequence[Callback],
    shuffle: bool,
    seed: int,
    engine: str,
    method: FiniteDifference | None,
    verbose: int,
) -> Run:
    """Trains a model; the heart of `Model.fit`."""
    now = model.compiled
    assert now.loss is not None
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed={seed}: it is a whole number from 0 to 2**64 - 1")
    model.build(data.x, seed)
    now.parameters = model.cast()
    step = Step(model, now.loss, now.optimizer, now.metrics, seed, method)
    _check(step, now.parameters, data, now.last_op)
    runner = engines.make(engine, step, now.dtype)
    plan = Plan(len(data), min(batch_size, len(data)), seed, shuffle)
    state = State(dict(now.parameters), now.optimizer.init({p: numpy.asarray(a) for p, a in now.parameters.items()}))
    run = Run(model, Replay(step, runner, plan, data, state))
    loop = Loop(runner, plan, data, now.metrics, validation)
    losses: list[Numbers] = []
    started = time.perf_counter()
    for callback in callbacks:
        callback.model = model
        callback.on_train_begin()
    try:
        with Bar(epochs, plan.steps, verbose) as bar:
            _consume(run, loop, runner.start(state), epochs, callbacks, losses, bar)
    except KeyboardInterrupt:
        run.status = "interrupted"
        raise
    except Diverged as error:
        run.status = "not finite"
        now.parameters = error.state.parameters
        raise _explained(error, step) from None
    except Exception:  # a callback's own
        run.status = "failed"
        raise
    finally:
        run.seconds = time.perf_counter() - started
        run.step_history["loss"] = numpy.concatenate(losses) if losses else numpy.zeros(0, now.dtype)
        run.final = {path: numpy.asarray(a) for path, a in (now.parameters or {}).items()}
        for callback in callbacks:
            callback.on_train_end()
        vars(model)["run"] = run
    return run


def _consume(
    run: Run,
    loop: Loop,
    state: State,
    epochs: int,
    callbacks: Sequence[Callback],
    losses: list[Numbers],
    bar: Bar,
) -> None:
    """Takes what the loop tells: into the history, the model, the bar, the callbacks."""
    model = run.model
    for epoch in range(epochs):
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        for progress in loop.epochs(state, epoch, 1):
            state = progress.state
            model.compiled.parameters = state.parameters
            if len(progress.losses):
                losses.append(progress.losses)
            bar.show(progress)
            if progress.logs is None:
                continue
            for name, value in progress.logs.items():
                run.history.setdefault(name, []).append(value)
            for callback in callbacks:
                callback.on_epoch_end(epoch, progress.logs)
            if any(callback.stop_training for callback in callbacks):
                run.status = "stopped early"
                bar.ended(progress.step)
                return
    run.status = "finished"


def _check(step: Step, parameters: Arrays, data: Dataset, last_op: str) -> None:
    """Finds before the first step what would fail, or teach nothing, in every step."""
    loss = step.loss
    takes_logits = getattr(loss, "from_logits", False)
    if takes_logits and last_op in ("softmax", "sigmoid"):
        raise UsageError(
            f"the last layer ends in {last_op}, but {loss.name}(from_logits=True) applies {loss.link} itself: "
            f"remove the {last_op}, or give the loss from_logits=False"
        )
    first = data.take(numpy.zeros(1, numpy.int64))
    with numpy.errstate(all="ignore"):
        step.forward({p: numpy.asarray(a) for p, a in parameters.items()}, first, 0, training=False)


def _explained(error: Diverged, step: Step) -> NotFiniteError:
    """The first layer whose value was not finite, and a learning rate to try."""
    plain = {path: numpy.asarray(a) for path, a in error.state.parameters.items()}
    with numpy.errstate(all="ignore"):
        tape = step.forward(plain, error.batch, error.step).loss.tape
    bad = next((row for row in tape.rows if not _finite(row.output)), None)
    if bad is None:
        where = "the first value that is not finite is in the gradients or an update of the weights"
    elif bad.path and bad.op:
        where = f"the first value that is not finite is in {bad.path}"
    else:
        made = [row for row in tape.rows[: bad.index] if row.op and row.path]
        large = f" of the output of {made[-1].path}, as large as {abs(made[-1].output).max():.3g}" if made else ""
        where = f"the first value that is not finite is the loss{large}"
    rate = float(step.optimizer.rate(numpy, error.step))
    clipped = any(getattr(step.optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm"))
    return NotFiniteError(
        f"training stopped at step {error.step}: {where}. The last finite weights are kept. The learning rate there "
        f"was {rate:g}; try {min(rate / 10, 0.001):g}"
        + ("" if clipped else ", or global_clipnorm=1.0 on the optimizer")
    )


def _finite(array: Numbers) -> bool:
    return not numpy.isdtype(array.dtype, "real floating") or bool(numpy.isfinite(array).all())
