"""Who is told of a command's work while it goes on."""

from __future__ import annotations

from typing import Any, Protocol

from pellucid.fit.watcher import Silent, Watcher


class Listener(Watcher, Protocol):
    """What a command tells before its document is whole."""

    def note(self, text: str) -> None:
        """What a person should know of the data or the run."""
        ...

    def told(self, part: Any) -> None:
        """A part of what the command found, as soon as it is known."""
        ...

    def measured(self, done: int, total: int) -> None:
        """So many weights of a check are measured."""
        ...


class Nobody(Silent):
    """A listener that says nothing; a command's by default."""

    def note(self, text: str) -> None: ...

    def told(self, part: Any) -> None: ...

    def measured(self, done: int, total: int) -> None: ...


NOBODY = Nobody()
