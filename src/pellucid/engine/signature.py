"""What a compiled program depends on beside its arguments: two steps of one signature have one program.

A signature is made of the live objects, not of what a file would say of them: every attribute of every layer, loss,
metric and optimizer, by its value. Of a person's own classes and functions it holds the class or function itself, and
what its code can see: the variables of its module that it names, what it closes over, its defaults. So a global number
that is changed in a notebook makes another program, as does a class that is defined again. What has no value that could
be compared, as an open file, is itself: it is shared with nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy

SMALL = 1 << 16
"""Arrays of up to so many bytes are compared by their numbers, larger ones by being the same array."""
INSTALLED = ("site-packages", "dist-packages", sys.base_prefix)
"""Code from there does not change while a process runs."""

CODE = (FunctionType, property, classmethod, staticmethod)
PLAIN = (int, float, str, tuple, list, dict)


def signature(thing: Any) -> Hashable:
    """A key that is equal for two things only where code that uses the one does what code that uses the other does.

    >>> import pellucid as pl
    >>> signature(pl.Dense(3)) == signature(pl.Dense(3)), signature(pl.Dense(3)) == signature(pl.Dense(4))
    (True, False)
    """
    return _Signature().of(thing)


class _Itself:
    """A thing that is only equal to itself; it is kept alive, so that no other takes its place in memory."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


class _Signature:
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        """The number of each object that was met, by its identity: what stands at two places is one thing."""
        self.met: list[Any] = []

    def of(self, thing: Any) -> Hashable:
        if thing is None or isinstance(thing, bool | int | str | bytes | complex):
            return type(thing), thing
        if isinstance(thing, float):
            return float, repr(thing)  # 0.0 and -0.0 are equal, and not the same; NaN is not equal to itself
        if isinstance(thing, ModuleType | CodeType | BuiltinFunctionType):
            return _Itself(thing)
        if id(thing) in self.seen:
            return "again", self.seen[id(thing)]
        self.seen[id(thing)] = len(self.seen)
        self.met.append(thing)  # alive until the signature is made, or another could have its identity
        return self._new(thing)

    def _new(self, thing: Any) -> Hashable:
        if isinstance(thing, numpy.ndarray | numpy.generic):
            return self._array(thing)
        if isinstance(thing, list | tuple):
            return type(thing), tuple(self.of(item) for item in thing)
        if isinstance(thing, dict):
            return dict, tuple((self.of(key), self.of(value)) for key, value in thing.items())
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, MethodType):
            return MethodType, self.of(thing.__func__), self.of(thing.__self__)
        if isinstance(thing, partial):
            return partial, self.of(thing.func), self.of(thing.args), self.of(thing.keywords)
        if hasattr(thing, "__dict__") and not hasattr(thing, "__array__"):
            return self.of(type(thing)), tuple((name, self.of(value)) for name, value in _settings(thing).items())
        return _Itself(thing)

    def _array(self, array: Any) -> Hashable:
        if array.dtype.hasobject or array.nbytes > SMALL:
            return _Itself(array)
        return "array", str(array.dtype), array.shape, array.tobytes()

    def _class(self, cls: type) -> Hashable:
        if not _changes(getattr(sys.modules.get(cls.__module__), "__file__", None), cls.__module__):
            return _Itself(cls)
        bodies = [(name, self.of(_body(value))) for name, value in vars(cls).items() if isinstance(value, CODE)]
        plain = [(name, self.of(value)) for name, value in vars(cls).items() if isinstance(value, PLAIN)]
        return _Itself(cls), tuple(bodies), tuple(plain), tuple(self.of(base) for base in cls.__bases__)

    def _function(self, function: FunctionType) -> Hashable:
        if not _changes(function.__code__.co_filename, function.__module__):
            inner = getattr(function, "__wrapped__", None)  # a layer's __call__ is wrapped by ours
            return (_Itself(function),) if inner is None else (_Itself(function.__code__), self.of(inner))
        seen = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
        cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        return (
            _Itself(function.__code__),
            self.of(seen),
            self.of(cells),
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            self.of(vars(function)),
        )


def _settings(thing: Any) -> dict[str, Any]:
    """The attributes of an object, without what a layer holds beside its settings: weights, the last run."""
    beside = getattr(thing, "beside_settings", ())
    return {name: value for name, value in vars(thing).items() if name not in beside}


def _body(member: Any) -> Any:
    """The function behind a property, a class method or a static one."""
    return getattr(member, "fget", getattr(member, "__func__", member))


def _changes(file: str | None, module: str | None) -> bool:
    """Whether code may be changed while the process runs: a person's own."""
    if (module or "").partition(".")[0] == "pellucid":
        return False
    return file is None or not any(place in file for place in INSTALLED)


def _names(code: CodeType) -> set[str]:
    """The names that a function's code, and code inside it, may look up in its module."""
    inside = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*(_names(part) for part in inside))


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
