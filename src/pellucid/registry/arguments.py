"""What an object was made with: its fields, or what an `__init__` of a person's own was given."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, cast

import numpy

from pellucid.registry.known import op_config, tag_of

Config = dict[str, Any]


class Unwritable:
    """Stands for an argument that no file can hold."""

    def __init__(self, what: str) -> None:
        self.what = what


def takes_arguments(cls: type) -> bool:
    """Whether it is made by an `__init__` of a person's own, not by one that its fields make."""
    owner = next(kind for kind in cls.__mro__ if "__init__" in vars(kind))
    return bool(vars(owner).get("_own_init", False))


def keep(made: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Keeps what the `__init__` of an object is about to be given."""
    try:
        bound = inspect.signature(type(made).__init__).bind(made, *given, **named)
    except TypeError:  # its __init__ says so; or it is a copy, which gets them from its original
        return
    _, *names = bound.signature.parameters
    arguments = {name: plain(bound.arguments[name]) for name in names if name in bound.arguments}
    vars(made)["_arguments"] = arguments


def plain(value: Any) -> Any:
    """An argument as it was given, in values that can be written; a list that is changed later is another one."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast(Sequence[Any], value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in cast(dict[Any, Any], value)):
        return {key: plain(item) for key, item in cast(Config, value).items()}
    if isinstance(value, numpy.generic):
        return plain(value.item())
    if value is None or type(value) in (bool, int, float, str, Unwritable):
        return value
    if tag_of(value) or op_config(value) is not None:
        return value
    return Unwritable(_described(value))


def _described(value: Any) -> str:
    if inspect.isfunction(value):
        return "a lambda" if value.__name__ == "<lambda>" else f"the function {value.__qualname__}"
    if (shape := getattr(value, "shape", None)) is not None:
        return f"an array of shape {tuple(shape)}"
    return f"the class {value.__name__}" if isinstance(value, type) else f"of the type {type(value).__name__}"


def arguments_of(made: Any) -> Config:
    """What an object is made with: what it was given, or its fields as they are now."""
    kept = vars(made).get("_arguments")
    if kept is not None:
        return dict(kept)
    if takes_arguments(type(made)) or not is_dataclass(made):
        return {}
    every = getattr(made, "defaults_written", True)
    found = {f.name: (getattr(made, f.name), f.default) for f in fields(made) if f.init}
    return {name: value for name, (value, default) in found.items() if every or _differs(value, default)}


def _differs(value: Any, default: Any) -> bool:
    return default is MISSING or (value is not default and (value == default) is not True)
