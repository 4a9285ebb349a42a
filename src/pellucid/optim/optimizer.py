"""What every optimizer is: a formula for one weight, and two pure functions that apply it to all of them.

`init` makes the state, `update` turns gradients into changes and the next state. Nothing is kept in the
optimizer and nothing is done in place, so a step can be compiled, repeated and reopened. The formula itself
is `rule`: a few assignments over plain arithmetic, which an explanation reads back from the source and
prints with the numbers of any one weight. So it must stay a straight sequence of `name = expression`, one
formula a line, with a choice only by `if self.option:`, and one `return` at its end. What takes a whole array
(a norm, an orthogonal matrix) is a method of its own, called as `name = self.method(xp, array)`: the explanation
calls it on the whole arrays too, and prints what came out for the one weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.errors import ShapeError, UsageError
from pellucid.optim.clip import clip_by_global_norm, clip_by_norm, clip_by_value
from pellucid.optim.interval import check, check_count
from pellucid.optim.schedule import Schedule
from pellucid.registry import Configured

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Optimizer(Configured, ABC):
    """How gradients become changes of the weights: `w ← w + change(g, w, rate, …)`, array by array.

    `learning_rate` is a number or a Schedule. `weight_decay` pulls each weight towards 0 apart from its
    gradient (decoupled): `change ← change - rate · weight_decay · w`. At most one of `clipnorm` (the length
    of each variable's gradient), `clipvalue` (each number) and `global_clipnorm` (the length of them all)
    limits the gradients beforehand.

    `use_ema` keeps a moving average of each weight: `average ← ema_momentum · average + (1 - ema_momentum) · w`
    after each update, the first average being the first w. With `ema_overwrite_frequency` k, every k-th update
    puts the averages in the place of the weights; without, `fit` does so once, when it has finished.

    `lookahead_period` k (Lookahead): a slow copy of each weight stays where it is for k updates, then goes the share
    `lookahead_step_size` of the way to the weight, which is put back to it: `slow ← slow + step_size · (w - slow)`,
    `w ← slow`. Averages are taken after that.

    Raises UsageError for a setting out of its range.

    Source: weight decay, Loshchilov, Hutter (2019), arXiv:1711.05101; averages, Polyak, Juditsky (1992),
    doi:10.1137/0330046; Lookahead, Zhang et al. (2019), arXiv:1907.08610.
    """

    learning_rate: float | Schedule = 0.01
    weight_decay: float | None = field(default=None, kw_only=True)
    clipnorm: float | None = field(default=None, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)
    use_ema: bool = field(default=False, kw_only=True)
    ema_momentum: float = field(default=0.99, kw_only=True)
    ema_overwrite_frequency: int | None = field(default=None, kw_only=True)
    lookahead_period: int | None = field(default=None, kw_only=True)
    lookahead_step_size: float = field(default=0.5, kw_only=True)

    tag: ClassVar[str] = "optimizer"
    # The names of what `rule` remembers of each weight from step to step, in the order it takes them.
    slots: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.learning_rate, Schedule):
            check(self, learning_rate="[0, inf)")
        if self.weight_decay is not None:
            check(self, weight_decay="[0, inf)")
        clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(clips) > 1:
            raise UsageError(f"{type(self).__name__}: {' and '.join(clips)} are given; expected at most one")
        for name in clips:
            check(self, **{name: "(0, inf)"})
        check(self, ema_momentum="[0, 1]")
        check_count(self, "ema_overwrite_frequency", optional=True)
        check_count(self, "lookahead_period", optional=True)
        check(self, lookahead_step_size="[0, 1]")

    @abstractmethod
    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, *slots: Any, **named: Any) -> tuple[Any, ...]:
        """The change of weight `w` with gradient `g` at update number `t` (1 for the first), and new slots.

        `g`, `w` and the slots are numbers or arrays of one shape; `rate` and `t` are scalars. A class takes
        its slots under their own names, by position or by name.
        """

    def after_rule(self) -> dict[str, Callable[..., tuple[Any, Any]]]:
        """What is done with the change after `rule`, in this order: by the copy of the weights that each keeps.

        >>> from pellucid.optim import SGD
        >>> list(SGD().after_rule()), list(SGD(use_ema=True, lookahead_period=5).after_rule())
        ([], ['slow', 'average'])
        """
        steps: dict[str, Callable[..., tuple[Any, Any]]] = {}
        if self.lookahead_period:
            steps["slow"] = self.looked_ahead
        if self.use_ema:
            steps["average"] = self.averaged
        return steps

    def looked_ahead(self, xp: Any, w: Any, change: Any, t: Any, slow: Any) -> tuple[Any, Any]:
        """With lookahead_period: the change that is made, and the next slow weight. A sequence like a rule.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> optimizer = SGD(lookahead_period=2, lookahead_step_size=0.25)
        >>> [tuple(map(float, optimizer.looked_ahead(np, 1.0, 0.5, t, 0.5))) for t in (1, 2)]
        [(0.5, 0.5), (-0.25, 0.75)]
        """
        due = 1 - xp.minimum(xp.remainder(t, self.lookahead_period), 1)
        slow = slow + due * self.lookahead_step_size * (w + change - slow)
        change = due * (slow - w) + (1 - due) * change
        return change, slow

    def averaged(self, xp: Any, w: Any, change: Any, t: Any, average: Any) -> tuple[Any, Any]:
        """With use_ema: the change that is made, and the next average. A sequence like a rule.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> change, average = SGD(use_ema=True, ema_momentum=0.75).averaged(np, 1.0, 0.5, 2, 1.25)
        >>> change, float(average)
        (0.5, 1.3125)
        """
        kept = self.ema_momentum * xp.minimum(t - 1, 1)
        average = kept * average + (1 - kept) * (w + change)
        if self.ema_overwrite_frequency:
            due = 1 - xp.minimum(xp.remainder(t, self.ema_overwrite_frequency), 1)
            change = due * (average - w) + (1 - due) * change
        return change, average

    def of(self, path: str, w: Any) -> Optimizer:
        """The optimizer whose rule moves the weight `w` at `path`: this one, unless a class leaves some to another."""
        return self

    def unused(self) -> tuple[str, ...]:
        """The slots that these settings leave alone: they stay at `initial` and take no memory.

        >>> from pellucid.optim import SGD
        >>> SGD(momentum=0.0).unused(), SGD(momentum=0.9).unused()
        (('velocity',), ())
        """
        return ()

    def initial(self, slot: str) -> float:
        """The number that a slot holds for every weight before the first update: 0 unless a class says so."""
        return 0.0

    def rate(self, xp: Any, t0: Any) -> Any:
        """The learning rate at step number `t0`, 0 for the first: a number, or the schedule's value there.

        >>> import numpy as np
        >>> from pellucid.optim import SGD, Warmup
        >>> float(SGD(Warmup(0.1, 10)).rate(np, 5))
        0.05
        """
        return self.learning_rate(xp, t0) if isinstance(self.learning_rate, Schedule) else self.learning_rate

    def init(self, parameters: Arrays) -> Arrays:
        """The state before the first update: "step", an int32 zero, and "slot/path" for each slot in use.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> SGD(momentum=0.9).init({"dense/bias": np.ones(2)})
        {'step': array(0, dtype=int32), 'velocity/dense/bias': array([0., 0.])}
        """
        xp = _namespace(parameters)
        state: Arrays = {"step": xp.zeros((), dtype=xp.int32)}
        movers = {path: self.of(path, w) for path, w in parameters.items()}
        for slot in dict.fromkeys(slot for mover in movers.values() for slot in mover.slots):
            for path, mover in movers.items():
                if slot in mover.slots and slot not in mover.unused():
                    state[f"{slot}/{path}"] = xp.full_like(parameters[path], mover.initial(slot))
        for kept in self.after_rule():
            state |= {f"{kept}/{path}": xp.asarray(w, copy=True) for path, w in parameters.items()}
        return state

    def slots_of(self, state: Arrays, path: str) -> tuple[Any, ...]:
        """What `rule` takes as slots for the weight at `path`: from the state, or `initial` where unused.

        >>> import numpy as np
        >>> from pellucid.optim import RMSprop
        >>> optimizer = RMSprop()
        >>> optimizer.slots, optimizer.slots_of(optimizer.init({"w": np.ones(2)}), "w")
        (('v', 'm', 'velocity'), (array([0., 0.]), 0.0, 0.0))
        """
        unused = self.unused()
        return tuple(self.initial(s) if s in unused else state[f"{s}/{path}"] for s in self.slots)

    def update(self, gradients: Arrays, state: Arrays, parameters: Arrays) -> tuple[Arrays, Arrays]:
        """The changes to add to the parameters, and the next state: `rule` on every weight, after clipping.

        All three are dicts of arrays, parameters and gradients with equal keys, shapes and dtypes. Raises
        UsageError where the keys differ and ShapeError where a shape does.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> optimizer, w = SGD(0.1), {"w": np.array([1.0, 2.0])}
        >>> optimizer.update({"w": np.array([1.0, -1.0])}, optimizer.init(w), w)
        ({'w': array([-0.1,  0.1])}, {'step': array(1, dtype=int32)})
        """
        _check_fit(gradients, parameters)
        xp = _namespace(parameters)
        step = state["step"]
        updates: Arrays = {}
        new_state: Arrays = {"step": xp.asarray(step + 1)}
        for path, g in self.clip(xp, gradients).items():
            w = parameters[path]
            mover = self.of(path, w)
            rate, t = xp.asarray(mover.rate(xp, step), dtype=w.dtype), (step + 1).astype(w.dtype)
            change, *slots = mover.rule(xp, g, w, rate, t, *mover.slots_of(state, path))
            for slot, value in zip(mover.slots, slots, strict=True):
                if slot not in mover.unused():
                    new_state[f"{slot}/{path}"] = xp.asarray(value)
            for kept, then in self.after_rule().items():
                change, copy = then(xp, w, change, t, state[f"{kept}/{path}"])
                new_state[f"{kept}/{path}"] = xp.asarray(copy)
            updates[path] = xp.asarray(change)
        return updates, new_state

    def final(self, parameters: Arrays, state: Arrays) -> Arrays:
        """What the weights are when training has finished: their averages, if those were kept for the end.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> w, state = {"w": np.array([1.0])}, {"average/w": np.array([0.5])}
        >>> SGD().final(w, state), SGD(use_ema=True).final(w, state)
        ({'w': array([1.])}, {'w': array([0.5])})
        """
        if not self.use_ema or self.ema_overwrite_frequency:
            return parameters
        return {path: state[f"average/{path}"] for path in parameters}

    def clip(self, xp: Any, gradients: Arrays) -> Arrays:
        """The gradients as the rule will see them: limited by clipnorm, clipvalue or global_clipnorm.

        >>> import numpy as np
        >>> from pellucid.optim import SGD
        >>> SGD(clipvalue=1.0).clip(np, {"w": np.array([-3.0, 0.5])})
        {'w': array([-1. ,  0.5])}
        """
        if self.clipnorm is not None:
            return {path: clip_by_norm(xp, g, self.clipnorm) for path, g in gradients.items()}
        if self.clipvalue is not None:
            return {path: clip_by_value(xp, g, self.clipvalue) for path, g in gradients.items()}
        if self.global_clipnorm is not None:
            return clip_by_global_norm(xp, gradients, self.global_clipnorm)
        return dict(gradients)


def _namespace(parameters: Arrays) -> Any:
    for array in parameters.values():
        return array.__array_namespace__()
    return np


def _check_fit(gradients: Arrays, parameters: Arrays) -> None:
    if gradients.keys() != parameters.keys():
        odd = ", ".join(sorted(gradients.keys() ^ parameters.keys()))
        raise UsageError(f"gradients and parameters do not name the same arrays: {odd} is in only one of them")
    for path, g in gradients.items():
        if g.shape != parameters[path].shape:
            raise ShapeError(
                f"{path}: the gradient has shape {g.shape}, the parameter {parameters[path].shape}; "
                "expected equal shapes"
            )
