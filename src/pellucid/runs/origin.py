"""Where the data of a recorded run comes from: what a table and a folder of files have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pellucid.data.dataset import Dataset
from pellucid.data.rows import Rows
from pellucid.replay.open_step import Naming
from pellucid.storage import RunFolder


@dataclass(frozen=True)
class Origin(ABC):
    """The data of a run, and how it becomes numbers; it is encoded once."""

    folder: RunFolder

    @property
    @abstractmethod
    def recipe(self) -> Any:
        """How the data becomes numbers."""

    @abstractmethod
    def moved(self) -> str:
        """A sentence where the data is gone or another one by now, and its copy in the run is used."""

    @abstractmethod
    def encoded(self) -> Rows:
        """The data as numbers, each row with its part."""

    @abstractmethod
    def naming(self, training: Any) -> Naming:
        """What the numbers of the training rows are called."""

    def rows(self) -> Rows:
        """The data as numbers; read and encoded when it is asked for first."""
        return self._rows

    @cached_property
    def _rows(self) -> Rows:
        return self.encoded()

    def datasets(self) -> tuple[Dataset, Dataset | None, Naming]:
        """Training rows, validation rows, and the names of their numbers."""
        rows = self.rows()
        y = self.recipe.target.as_learned(rows.y)
        training, validation = rows.training(), rows.validation()
        watched = Dataset(rows.x, y, rows=validation.index) if len(validation) else None
        return Dataset(rows.x, y, rows=training.index), watched, self.naming(training)
