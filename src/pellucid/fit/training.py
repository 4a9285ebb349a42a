"""How a training is run: from a start, or from any checkpoint of an earlier one."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy

from pellucid.data.dataset import Dataset, Numbers
from pellucid.engine import engines
from pellucid.engine.loop import Begun, Diverged, Loop, Totals
from pellucid.engine.step import State, Step
from pellucid.errors import NotFiniteError, RunError, UsageError
from pellucid.fit.history import History
from pellucid.fit.recorder import Recorder
from pellucid.fit.trainable import Trainable
from pellucid.fit.watcher import Silent, Watcher
from pellucid.nn.losses import WeightedSum
from pellucid.replay.checkpoint import Checkpoint
from pellucid.replay.open_step import Naming
from pellucid.replay.recorded import last_checkpoint
from pellucid.replay.replay import Replay
from pellucid.storage import now


@dataclass
class Session:
    """One call of `fit`, `resume` or `rewind`: the run that it makes, and all who are told how it goes."""

    run: History
    loop: Loop
    losses: list[Numbers]
    stands: Checkpoint
    """Where training stood when it was told of last."""

    def go(self, begun: Checkpoint, watcher: Watcher) -> None:
        """Takes what the loop tells: into the history, the model, the record, the watcher, the callbacks."""
        plan, model, epochs = self.loop.plan, self.run.model, self.run.training.epochs
        first, within = divmod(begun.step, plan.steps)
        state = self.loop.engine.start(begun.state)
        for epoch in range(first, epochs):
            if self._stopped():  # in the epoch before, or in the one that a resumed run ended with
                break
            for callback in self.run.callbacks:
                callback.on_epoch_begin(epoch)
            rest = None
            if epoch == first and within:
                earlier = self.run.step_history["loss"][begun.step - within : begun.step]
                rest = Begun(Totals(self.loop.metrics, begun.totals), earlier)
            for told in self.loop.epoch(state, epoch, rest):
                state = told.state
                model.take(state)
                if len(told.losses):
                    self.losses.append(told.losses)
                watcher.show(told)
                if told.logs is not None:
                    self._epoch_ended(epoch, told.logs)
                if told.logs is not None or (told.totals is not None and told.step % plan.steps):
                    self.stands = Checkpoint.of(told.step, state, told.totals, self.run.callbacks)
                    self._offer()
        model.take(state._replace(parameters=model.compiled.optimizer.final(state.parameters, state.optimizer)))
        self.run.status = "finished"
        if self._stopped():
            self.run.status = "stopped early"
            watcher.ended(self.stands.step)

    def _stopped(self) -> bool:
        return any(callback.stop_training for callback in self.run.callbacks)

    def _epoch_ended(self, epoch: int, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            self.run.history.setdefault(name, []).append(value)
        for callback in self.run.callbacks:
            callback.on_epoch_end(epoch, logs)

    def _offer(self) -> None:
        if self.run.recorder is not None:
            self.run.recorder.offer(self.stands, self.losses, self.run.history)


def train(
    run: History,
    data: Dataset,
    validation: Dataset | None = None,
    begun: Checkpoint | None = None,
    *,
    naming: Naming | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Trains the network of a run and fills the run in; the heart of `Model.fit`, `resume` and `rewind`.

    begun: where it goes on from; the run then holds the losses and the history of the steps before.
    watcher: is told where it stands; silence by default.
    """
    model, how = run.model, run.training
    now = model.compiled
    if not 0 <= how.seed < 2**64:
        raise UsageError(f"seed={how.seed}: it is a whole number from 0 to 2**64 - 1")
    model.build(data.x, how.seed)
    model.take(model.state())
    step = how.step(model)
    check(step, model.state(), data, now.last_op)
    runner = engines.make(how.engine, step, now.dtype)
    plan = how.plan(len(data))
    if begun is None:
        begun = Checkpoint(0, _first_state(model))
        run.step_history["loss"] = numpy.zeros(0, now.dtype)
    losses = run.step_history["loss"]
    replay = Replay(step, runner, plan, data, begun, losses=losses, naming=naming or Naming())
    run.with_data(replay, validation)
    loop = Loop(runner, plan, data, now.metrics, validation)
    _train(Session(run, loop, [losses], begun), begun, watcher or Silent())
    if run.trouble is not None and run.recorder is not None:
        if run.recorder.required:
            raise run.trouble
        warnings.warn(str(run.trouble), stacklevel=3)


def _train(session: Session, begun: Checkpoint, watcher: Watcher) -> None:
    """Trains, and whatever happens leaves the run, the model and the record as they then are."""
    run, recorder, model = session.run, session.run.recorder, session.run.model
    started = time.perf_counter()
    for callback in run.callbacks:
        callback.model, callback.stop_training = model, False
        callback.on_train_begin()
    for callback, memory in zip(run.callbacks, begun.callbacks, strict=False):
        callback.recall(memory)
    if recorder is not None and recorder.folder is None:
        # What the callbacks remember before the first step is part of the first point.
        first = Checkpoint(begun.step, begun.state, begun.totals, tuple(c.memory() for c in run.callbacks))
        recorder.begin(first, run.step_history["loss"], run.history)
    try:
        watcher.begun(run.training.epochs, session.loop.plan.steps)
        session.go(begun, watcher)
    except KeyboardInterrupt:
        run.status = "interrupted"
        raise
    except Diverged as error:
        run.status = "not finite"
        model.take(error.state)
        told = _explained(error, run.replay.step)
        told.run = run
        raise told from None
    except Exception:  # a callback's own
        run.status = "failed"
        raise
    finally:
        watcher.closed()
        run.seconds += time.perf_counter() - started
        run.step_history["loss"] = run.replay.losses = numpy.concatenate(session.losses)
        run.final = model.parameters()
        for callback in run.callbacks:
            callback.on_train_end()
        if recorder is not None:
            _record_end(session, recorder)


def _record_end(session: Session, recorder: Recorder) -> None:
    """Writes how a run ended, and lets its replay start from the checkpoints."""
    run = session.run
    about = {"status": run.status, "finished": now(), "seconds": round(run.seconds, 3), "epochs": run.epochs}
    weights = run.model.parameters() | run.model.untrained()
    try:
        folder = recorder.end(session.stands, run.step_history["loss"], run.history, about, weights)
    except RunError as error:  # raised where nothing else is
        run.trouble = error
        return
    run.folder = folder.path
    run.replay.checkpoint = partial(last_checkpoint, folder)


def _first_state(model: Trainable) -> State:
    state = model.state()
    plain = {path: numpy.asarray(a) for path, a in state.parameters.items()}
    return State(plain, model.compiled.optimizer.init(plain), state.untrained)


def check(step: Step, state: State, data: Dataset, last_op: Any) -> None:
    """Finds before the first step what would fail, or teach nothing, in every step."""
    loss = step.loss
    parts = loss.parts if isinstance(loss, WeightedSum) else {"": loss}
    for name, part in parts.items():
        op = last_op[name] if name else last_op
        if getattr(part, "from_logits", False) and op in ("softmax", "sigmoid"):
            raise UsageError(
                f"the last layer{f' of {name}' if name else ''} ends in {op}, but {part.name}(from_logits=True) "
                f"applies {part.link} itself: remove the {op}, or give the loss from_logits=False"
            )
    first = data.take(numpy.zeros(1, numpy.int64))
    with numpy.errstate(all="ignore"):
        step.forward(state.map(numpy.asarray), first, 0, False)


def _explained(error: Diverged, step: Step) -> NotFiniteError:
    """The first layer whose value was not finite, and a learning rate to try."""
    plain = error.state.map(numpy.asarray)
    with numpy.errstate(all="ignore"):
        tape = step.forward(plain, error.batch, error.step).loss.tape
    bad = next((row for row in tape.nodes if not _finite(row.output)), None)
    if bad is None:
        where = "the first value that is not finite is in the gradients or an update of the weights"
    elif bad.path and bad.op:
        where = f"the first value that is not finite is in {bad.path}"
    else:
        made = [row for row in tape.nodes[: bad.index] if row.op and row.path]
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
