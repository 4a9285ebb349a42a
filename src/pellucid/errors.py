"""What can go wrong, and the exit code the command line gives it.

A message names the thing, what was found, what was expected, and the fix, so that it can be acted on as it
stands. Every error a person can cause is one of these; anything else that escapes is a defect of pellucid.
"""

from typing import Any, ClassVar


class PellucidError(Exception):
    """The root of every error raised on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", *, arguments: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.arguments = arguments
        """The arguments that the message names as `name=`; the command line writes them as its options."""


class UsageError(PellucidError, ValueError):
    """A call that cannot mean anything: an unknown name, an option out of its range."""

    exit_code = 2


class ShapeError(PellucidError, ValueError):
    """Arrays whose shapes do not fit together; raised instead of a silent broadcast."""

    exit_code = 3


class DataError(PellucidError, ValueError):
    """A table, column or cell that cannot be read or learned from."""

    exit_code = 3


class RunError(PellucidError):
    """A run folder or model file that is missing, torn, or written by a newer pellucid."""

    exit_code = 3


class NotFiniteError(PellucidError, ArithmeticError):
    """Training met a NaN or an infinity; the last finite weights are kept."""

    exit_code = 3
    run: Any = None
    """The run as far as it came, where there is one."""
