"""The range a setting must lie in, written as in a textbook: "[0, 1)" holds 0 and everything below 1."""

from math import inf

from pellucid.arguments import whole
from pellucid.errors import UsageError


def check(owner: object, **intervals: str) -> None:
    """Raise UsageError unless each named attribute of `owner` is a number inside its interval.

    A square bracket includes the end, a round one leaves it out.

    >>> from types import SimpleNamespace
    >>> check(SimpleNamespace(momentum=1.5), momentum="[0, 1]")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: SimpleNamespace: momentum is 1.5; expected a number in [0, 1]
    """
    for name, interval in intervals.items():
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _holds(interval, value):
            where = type(owner).__name__
            raise UsageError(f"{where}: {name} is {value!r}; expected a number in {interval}")


def check_count(owner: object, name: str, optional: bool = False) -> None:
    """Raise UsageError unless the attribute `name` of `owner` is a whole number, 1 or more (or None, if optional).

    >>> from types import SimpleNamespace
    >>> check_count(SimpleNamespace(steps=0), "steps")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: SimpleNamespace(steps=0): a whole number, 1 or more
    """
    value = getattr(owner, name)
    if not optional or value is not None:
        whole(name, value, of=owner)


def _holds(interval: str, value: float) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    return above and below and -inf < value < inf
