"""An object as plain JSON, and an equal one from it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar, cast, overload

from pellucid.errors import UsageError
from pellucid.registry.arguments import Config, Unwritable, arguments_of, plain, takes_arguments
from pellucid.registry.known import KINDS, find, is_ours, op_config, tag_of

T = TypeVar("T")

SHARED = "shared"
"""The key of a layer that was written before in the same document: its number there."""
PLAIN = "dict"
"""The key of a dict of a person's own whose keys could be taken for one of these."""
RESERVED = {*KINDS, SHARED, PLAIN, "module", "arguments"}


def to_config(thing: Any) -> Config:
    """An object as plain JSON, from which `from_config` makes an equal one.

    Raises UsageError, naming class and argument, for what cannot be written: a lambda, an array, an object of a class
    that is not registered.
    """
    return _Writer().object(thing)


@overload
def from_config(config: Mapping[str, Any], kind: type[T]) -> T: ...
@overload
def from_config(config: Mapping[str, Any]) -> Any: ...
def from_config(config: Mapping[str, Any], kind: Any = None) -> Any:
    """The object that `to_config` wrote; kind: what it has to be.

    Raises UsageError for a class that is not known here, naming the module to import.
    """
    tag = getattr(kind, "tag", next(iter(config), ""))
    if not isinstance(config.get(tag), str):
        raise UsageError(f"{dict(config)!r} says no {KINDS.get(tag, 'class')}; it needs {tag!r}, the name of one")
    return _Reader().object(tag, config)


def replaced(thing: T, **changes: Any) -> T:
    """An equal object, but for these arguments."""
    return _made(type(thing), cast(Any, thing).get_config() | changes)


class _Writer:
    """Writes one document."""

    def __init__(self) -> None:
        self.written: dict[int, int] = {}
        """The number of each object that is to be one again, by id."""

    def object(self, made: Any) -> Config:
        tag, cls = tag_of(made), type(made)
        if not tag:
            raise UsageError(f"{cls.__name__} is not registered; decorate the class with @pellucid.register")
        if getattr(cls, "one_object", False):
            if id(made) in self.written:
                return {SHARED: self.written[id(made)]}
            self.written[id(made)] = len(self.written)
        config: Config = {tag: cls.__name__}
        if not is_ours(cls.__module__):
            config["module"] = cls.__module__
        found = made.get_config() if hasattr(made, "get_config") else arguments_of(made)
        arguments = {name: self.value(value, f"{cls.__name__}({name}=…)") for name, value in found.items()}
        return config | ({"arguments": arguments} if {tag, *RESERVED - {*KINDS}} & arguments.keys() else arguments)

    def value(self, value: Any, where: str) -> Any:
        value = plain(value)
        if isinstance(value, Unwritable):
            raise UsageError(
                f"{where} is {value.what}, which no file can hold; give it as numbers, texts, lists and dicts of them, "
                "or as an object or a function that is registered (@pellucid.register), or write get_config(self) in "
                "the class, which returns arguments of those"
            )
        if isinstance(value, list):
            return [self.value(item, where) for item in cast(list[Any], value)]
        if isinstance(value, dict):
            items = {key: self.value(item, where) for key, item in cast(Config, value).items()}
            return {PLAIN: items} if RESERVED & items.keys() else items
        if tag_of(value):
            return self.object(value)
        op = op_config(value)
        return value if op is None else op


class _Reader:
    """Reads one document."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        """Objects that are to be one again, by number."""

    def object(self, tag: str, config: Mapping[str, Any]) -> Any:
        cls = find(tag, config[tag], config.get("module"))
        if tag == "op":
            return cls
        number = len(self.made)
        if getattr(cls, "one_object", False):
            self.made.append(None)
        given = config.get("arguments") or {k: v for k, v in config.items() if k not in (tag, "module")}
        made = _made(cls, {name: self.value(value) for name, value in given.items()})
        if getattr(cls, "one_object", False):
            self.made[number] = made
        return made

    def value(self, written: Any) -> Any:
        if isinstance(written, list):
            return [self.value(item) for item in cast(list[Any], written)]
        if not isinstance(written, dict):
            return written
        config = cast(Config, written)
        first = next(iter(config), "")
        if first == SHARED:
            number = config[SHARED]
            if number not in range(len(self.made)):
                raise UsageError(f"{config} names a layer that was not written before it")
            return self.made[number]
        if first == PLAIN:
            return {key: self.value(item) for key, item in config[PLAIN].items()}
        if first in KINDS and isinstance(config[first], str):
            return self.object(first, config)
        return {key: self.value(item) for key, item in config.items()}


def _made(cls: type, arguments: Config) -> Any:
    own = not is_ours(cls.__module__)
    try:
        if not takes_arguments(cls):
            fixed = is_dataclass(cls) and cast(Any, cls).__dataclass_params__.frozen  # hashed, as no list can be
            return cls(**{name: _fixed(value) if fixed else value for name, value in arguments.items()})
        bound = inspect.signature(cls.__init__).bind_partial(None)
        if unknown := arguments.keys() - bound.signature.parameters.keys():
            raise TypeError(f"it takes no {', '.join(sorted(unknown))}")
        bound.arguments |= {name: arguments[name] for name in bound.signature.parameters if name in arguments}
        return cls(*bound.args[1:], **bound.kwargs)
    except TypeError as error:
        if not own:
            raise
        raise UsageError(
            f"{cls.__name__} of {cls.__module__} cannot be made of {', '.join(arguments) or 'nothing'}: {error}; has "
            "it another __init__ than when this was written?"
        ) from error


def _fixed(value: Any) -> Any:
    return tuple(_fixed(item) for item in cast(list[Any], value)) if isinstance(value, list) else value
