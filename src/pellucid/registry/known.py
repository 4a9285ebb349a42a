"""What is known by name: of each kind of thing, the library's classes and a person's own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from pellucid.errors import UsageError

KINDS = {
    "class": "layer",
    "loss": "loss",
    "metric": "metric",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "initializer": "initializer",
    "regularizer": "regularizer",
    "constraint": "constraint",
    "callback": "callback",
    "method": "method",
    "op": "op",
    "object": "object",
}
"""The first key of what is written of each kind of thing, and what that kind is called."""

T = TypeVar("T")

_known: dict[tuple[str, str], dict[str, Any]] = {}
"""By (key, name): by module, the class; or the function, of an op."""


def find(tag: str, name: str, module: str | None = None) -> Any:
    """The class of a name: the library's; or a person's own, of that module, or the only one of that name.

    Where no module is said, as earlier versions wrote, a person's own is the last that was defined.
    """
    known = _known.get((tag, name), {})
    own = [cls for place, cls in known.items() if not is_ours(place)]
    if module is None and known:
        return next((cls for place, cls in known.items() if is_ours(place)), known[next(reversed(known))])
    if module in known:
        return known[module]
    if len(own) == 1:
        return own[0]
    raise UsageError(_unknown(tag, name, module, [cls.__module__ for cls in own]))


def library(kind: type[T]) -> list[type[T]]:
    """The classes of the library of a kind, in the order in which they were defined, without bases of others."""
    tag = cast(Any, kind).tag
    found = [cls for (key, _), places in _known.items() if key == tag for cls in places.values()]
    ours = [cls for cls in found if issubclass(cls, kind) and is_ours(cls.__module__) and not inspect.isabstract(cls)]
    return [cls for cls in ours if cls is not kind and not cls.__name__.startswith("_")]


def _unknown(tag: str, name: str, module: str | None, own: Sequence[str]) -> str:
    word = KINDS[tag]
    if own:
        return (
            f"there are {len(own)} of your own {word}s called {name!r} here, in {' and '.join(own)}, "
            f"and none in {module}: import {module} first"
        )
    if module == "__main__":
        where = "it was defined in a script or notebook; define it here too, or import it from a module"
    elif module:
        where = f"it is your own, of the module {module!r}: import {module} first"
    else:
        where = f"import the module that defines it first, if it is your own{_near(tag, name)}"
    return f"the {word} {name!r} is not known here; {where}"


def _near(tag: str, name: str) -> str:
    names = [known for (key, known), places in _known.items() if key == tag and any(map(is_ours, places))]
    near = get_close_matches(name, names, 1)
    return f"; or did you mean {near[0]!r}?" if near else ""


def put(tag: str, name: str, module: str, thing: Any) -> None:
    """What is defined again, as in a notebook, takes the place of what was."""
    known = _known.setdefault((tag, name), {})
    known.pop(module, None)  # so that the last is the last
    known[module] = thing


def is_ours(module: str) -> bool:
    """Whether it is a module of the library."""
    return module.partition(".")[0] == __name__.partition(".")[0]


def module_of(thing: Any) -> str:
    """Where a function is defined; of an op, the function that it was made of."""
    return str(getattr(getattr(thing, "__wrapped__", thing), "__module__", ""))


def tag_of(value: Any) -> str:
    """The key that a thing's name is written under; "" for what is not registered."""
    cls = type(value)
    tag = getattr(cls, "tag", "object")
    return tag if isinstance(tag, str) and cls.__module__ in _known.get((tag, cls.__name__), {}) else ""


def op_config(value: Any) -> Any:
    """An op or a registered function as it is written: the name of one of the library's, else with its module; None
    for anything else."""
    name = getattr(value, "__name__", None)
    if not callable(value) or name is None:
        return None
    module = module_of(value)
    if _known.get(("op", name), {}).get(module) is not value:
        return None
    return name if is_ours(module) else {"op": name, "module": module}
