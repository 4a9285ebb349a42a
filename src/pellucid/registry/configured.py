"""The base of all that is written by its name and its arguments, and what stands in for it where there is no base."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar, cast

from pellucid.errors import UsageError
from pellucid.registry.arguments import Config, arguments_of, keep, takes_arguments
from pellucid.registry.known import module_of, put

T = TypeVar("T")


class Configured:
    """The base of all that is written by its name and its arguments. A subclass is known by being one."""

    tag: ClassVar[str]
    """The key that its name is written under."""
    defaults_written: ClassVar[bool] = True
    """Whether a field that is what it is without being given is written too, so that another default changes
    nothing."""
    one_object: ClassVar[bool] = False
    """Whether an object that stands at two places is to be one object again."""
    _own_init: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A dataclass gets its __init__ after this, so that one which is there is a person's own.
        cls._own_init = "__init__" in vars(cls)
        if cls._own_init and "__eq__" not in vars(cls) and cls.__eq__ is not object.__eq__:
            # An inherited comparison by fields knows nothing of the arguments.
            cls.__eq__, cls.__hash__ = _same, _hash  # pyright: ignore[reportAttributeAccessIssue]
        if hasattr(cls, "tag"):
            put(cls.tag, cls.__name__, cls.__module__, cls)

    def __new__(cls, *given: Any, **named: Any) -> Self:
        made = super().__new__(cls)
        if takes_arguments(cls):
            keep(made, given, named)
        return made

    def get_config(self) -> Config:
        """The arguments to make an equal one with. Override it where one of them cannot be written as it is given."""
        return arguments_of(self)


def register(thing: T) -> T:
    """Decorates a function or a class that is no subclass of anything of pellucid's, so that files may name it.

    @pl.register
    def bent(x):                       # pl.Dense(8, activation=bent)
        return x + pl.sin(x)

    A run trained with it opens wherever the module that defines it has been imported.
    """
    if isinstance(thing, type):
        if not issubclass(cast(type, thing), Configured):
            _make_known(thing)
        return cast(T, thing)
    name, module = getattr(thing, "__name__", ""), module_of(thing)
    if not callable(thing) or not name.isidentifier():
        raise UsageError(f"register decorates a class or a function that has a name, but was given {thing!r}")
    put("op", name, module, thing)
    return thing


def _make_known(cls: type) -> None:
    """Lets a class that is no subclass keep the arguments that its objects are made with."""
    made_by: Any = cls.__new__

    def kept(kind: type, *given: Any, **named: Any) -> Any:
        made = made_by(kind) if made_by is object.__new__ else made_by(kind, *given, **named)
        keep(made, given, named)
        return made

    cast(Any, cls).__new__ = kept
    cast(Any, cls)._own_init = True
    put("object", cls.__name__, cls.__module__, cls)


def _same(self: Any, other: Any) -> bool:
    return type(self) is type(other) and arguments_of(self) == arguments_of(other)


def _hash(self: Any) -> int:
    return hash((type(self), *arguments_of(self)))
