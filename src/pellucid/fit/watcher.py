"""Who is told where training stands, step by step."""

from __future__ import annotations

from typing import Protocol

from pellucid.engine.loop import Progress


class Watcher(Protocol):
    """What training tells of itself while it runs."""

    def begun(self, epochs: int, steps: int) -> None:
        """Training begins: so many epochs of so many steps are planned."""
        ...

    def show(self, progress: Progress) -> None:
        """Some steps are done."""
        ...

    def ended(self, step: int) -> None:
        """Training stopped before the planned end."""
        ...

    def closed(self) -> None:
        """Training is over, however it ended."""
        ...


class Silent:
    """A watcher that says nothing."""

    def begun(self, epochs: int, steps: int) -> None: ...

    def show(self, progress: Progress) -> None: ...

    def ended(self, step: int) -> None: ...

    def closed(self) -> None: ...
