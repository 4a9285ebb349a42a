"""How a training is run: from a start, or from any point of an earlier one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.data.dataset import Dataset, Numbers, Plan
from pellucid.engine import engines
from pellucid.engine.loop import Begun, Diverged, Loop, Totals
from pellucid.engine.step import State, Step
from pellucid.errors import NotFiniteError, RunError, UsageError
from pellucid.fit.callbacks import Callback
from pellucid.fit.progress import Bar
from pellucid.fit.recorder import Recorder
from pellucid.gradcheck import SPSA, FiniteDifference
from pellucid.nn.losses import WeightedSum
from pellucid.registry import from_config, to_config
from pellucid.replay.checkpoint import Point
from pellucid.replay.replay import Replay
from pellucid.runs.run import Run
from pellucid.storage import RunFolder, checkpoint_name, now

if TYPE_CHECKING:
    from pellucid.models.model import Model


@dataclass(frozen=True)
class Training:
    """What stays the same throughout a run, beside model and data."""

    batch_size: int = 32
    epochs: int = 1
    seed: int = 0
    shuffle: bool = True
    engine: str = "xla"
    method: FiniteDifference | SPSA | None = None
    """None: gradients by back-propagation."""

    def to_config(self) -> dict[str, Any]:
        """Plain values, which `from_config` reads."""
        method = None if self.method is None else to_config(self.method)
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"method": method}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Training:
        """What `to_config` wrote."""
        plain = {name: value for name, value in config.items() if name != "method"}
        return cls(**plain, method=config["method"] and from_config(config["method"]))

    def step(self, model: Model) -> Step:
        """The step that this training takes."""
        now = model.compiled
        assert now.loss is not None
        return Step(model, now.loss, now.optimizer, now.metrics, self.seed, self.method)

    def plan(self, rows: int) -> Plan:
        """Which rows each step trains on."""
        return Plan(rows, min(self.batch_size, rows), self.seed, self.shuffle)


@dataclass(frozen=True)
class Earlier:
    """What was before a training that goes on: where it stood, and how it had gone."""

    point: Point
    losses: Numbers
    """Of each step before that point."""
    history: Mapping[str, Sequence[Any]]
    first: int = 0
    parent: Path | None = None
    seconds: float = 0.0


@dataclass
class Session:
    """One call of `fit`, `resume` or `rewind`: the run that it makes, and all who are told how it goes."""

    run: Run
    loop: Loop
    callbacks: Sequence[Callback]
    recorder: Recorder | None
    losses: list[Numbers]
    stands: Point
    """The last point that was told of."""

    def go(self, begun: Point, epochs: int, bar: Bar) -> None:
        """Takes what the loop tells: into the history, the model, the record, the bar, the callbacks."""
        plan, model = self.loop.plan, self.run.model
        first, within = divmod(begun.step, plan.steps)
        state = self.loop.engine.start(begun.state)
        for epoch in range(first, epochs):
            if self._stopped():  # in the epoch before, or in the one that a resumed run ended with
                break
            for callback in self.callbacks:
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
                bar.show(told)
                if told.logs is not None:
                    self._epoch_ended(epoch, told.logs)
                if told.logs is not None or (told.totals is not None and told.step % plan.steps):
                    self.stands = Point.of(told.step, state, told.totals, self.callbacks)
                    self._offer()
        model.take(state._replace(parameters=model.compiled.optimizer.final(state.parameters, state.optimizer)))
        self.run.status = "finished"
        if self._stopped():
            self.run.status = "stopped early"
            bar.ended(self.stands.step)

    def _stopped(self) -> bool:
        return any(callback.stop_training for callback in self.callbacks)

    def _epoch_ended(self, epoch: int, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            self.run.history.setdefault(name, []).append(value)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def _offer(self) -> None:
        if self.recorder is not None:
            self.recorder.offer(self.stands, self.losses, self.run.history)


def train(
    model: Model,
    data: Dataset,
    validation: Dataset | None,
    how: Training,
    *,
    callbacks: Sequence[Callback] = (),
    verbose: int = 1,
    recorder: Recorder | None = None,
    earlier: Earlier | None = None,
) -> Run:
    """Trains a model; the heart of `Model.fit`."""
    now = model.compiled
    if not 0 <= how.seed < 2**64:
        raise UsageError(f"seed={how.seed}: it is a whole number from 0 to 2**64 - 1")
    model.build(data.x, how.seed)
    model.take(model.state())
    step = how.step(model)
    check(step, model.state(), data, now.last_op)
    runner = engines.make(how.engine, step, now.dtype)
    plan = how.plan(len(data))
    if earlier is None:
        begun = Point(0, _first_state(model))
        earlier = Earlier(begun, numpy.zeros(0, now.dtype), {})
    begun = earlier.point
    run = Run(
        model,
        how,
        {name: list(values) for name, values in earlier.history.items()},
        {"loss": earlier.losses},
        first=earlier.first,
        parent=earlier.parent,
        seconds=earlier.seconds,
        callbacks=list(callbacks),
        recorder=recorder,
    )
    replay = Replay(step, runner, plan, data, begun, losses=earlier.losses)
    run.with_data(replay, validation)
    session = Session(
        run, Loop(runner, plan, data, now.metrics, validation), callbacks, recorder, [earlier.losses], begun
    )
    _train(session, begun, how.epochs, verbose)
    if run.trouble is not None and recorder is not None:
        if recorder.required:
            raise run.trouble
        warnings.warn(str(run.trouble), stacklevel=3)
    return run


def _train(session: Session, begun: Point, epochs: int, verbose: int) -> None:
    """Trains, and whatever happens leaves the run, the model and the record as they then are."""
    run, recorder, model = session.run, session.recorder, session.run.model
    started = time.perf_counter()
    for callback in session.callbacks:
        callback.model, callback.stop_training = model, False
        callback.on_train_begin()
    for callback, memory in zip(session.callbacks, begun.callbacks, strict=False):
        callback.recall(memory)
    if recorder is not None and recorder.folder is None:
        # What the callbacks remember before the first step is part of the first point.
        first = Point(begun.step, begun.state, begun.totals, tuple(c.memory() for c in session.callbacks))
        recorder.begin(first, run.step_history["loss"], run.history)
    try:
        with Bar(epochs, session.loop.plan.steps, verbose) as bar:
            session.go(begun, epochs, bar)
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
        run.seconds += time.perf_counter() - started
        run.step_history["loss"] = run.replay.losses = numpy.concatenate(session.losses)
        run.final = model.parameters()
        for callback in session.callbacks:
            callback.on_train_end()
        vars(model)["run"] = run
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


def last_checkpoint(folder: RunFolder, step: int) -> Point | None:
    """The last whole checkpoint at or before a step; a torn one is told of, and the one before it taken."""
    for number in reversed([n for n in folder.checkpoints() if n <= step]):
        name = checkpoint_name(number)
        try:
            return Point.from_bytes(folder.read(name), str(folder.path / name))
        except RunError as error:
            if folder.reread():  # the process that trains it has put others in its place
                return last_checkpoint(folder, step)
            warnings.warn(f"{error}; the last whole checkpoint before it is used", stacklevel=2)
    return None


def _first_state(model: Model) -> State:
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
        step.forward(State(*({p: numpy.asarray(a) for p, a in part.items()} for part in state)), first, 0, False)


def _explained(error: Diverged, step: Step) -> NotFiniteError:
    """The first layer whose value was not finite, and a learning rate to try."""
    plain = State(*({path: numpy.asarray(a) for path, a in part.items()} for part in error.state))
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
