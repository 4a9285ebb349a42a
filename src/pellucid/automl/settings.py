"""What a training was asked, checked before anything is read or written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pellucid.automl.choices import Choices
from pellucid.engine.engines import EngineName
from pellucid.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What a training on a table or folder was asked."""

    data: str
    target: str | None
    out: Path | None
    task: str | None
    kinds: dict[str, str]
    missing: tuple[str, ...]
    choices: Choices
    size: tuple[int, int] | None = None
    skip: bool = False

    @property
    def of_folder(self) -> bool:
        """Whether it is to be trained on the files of a folder."""
        return Path(self.data).expanduser().is_dir()

    def check(self) -> None:
        """UsageError for an option out of its range, before a file is read or a folder made."""
        self._check_data()
        asked = self.choices
        least = {"epochs": asked.epochs, "batch_size": asked.batch_size, "patience": asked.patience}
        for name, value in least.items():
            if value is not None and value < 1:
                raise UsageError(f"{name}={value}: it is a whole number, 1 or more", arguments=(name,))
        if any(units < 1 for units in asked.hidden or ()):
            shown = ",".join(map(str, asked.hidden or ()))
            raise UsageError(
                f"hidden={shown}: units are whole numbers, 1 or more, as hidden=64,64", arguments=("hidden",)
            )
        if asked.learning_rate is not None and not 0 < asked.learning_rate < math.inf:
            raise UsageError(
                f"learning_rate={asked.learning_rate:g}: it is a number above 0, as 0.003", arguments=("learning_rate",)
            )
        if asked.dropout is not None and not 0 <= asked.dropout < 1:
            raise UsageError(
                f"dropout={asked.dropout:g}: it is a probability from 0 to below 1", arguments=("dropout",)
            )
        if not 0 <= asked.seed < 2**64:
            raise UsageError(f"seed={asked.seed}: it is a whole number from 0 to 2**64 - 1", arguments=("seed",))
        if asked.engine not in get_args(EngineName):
            raise UsageError(f"engine={asked.engine}: it is xla (compiled) or numpy (eager)", arguments=("engine",))

    def _check_data(self) -> None:
        """UsageError for an option of tables beside a folder, or the other way round."""
        of_tables = {"target": self.target, "task": self.task, "kind": self.kinds, "missing": self.missing}
        of_folders = {"size": self.size, "skip_unreadable": self.skip}
        for name, given in (of_tables if self.of_folder else of_folders).items():
            if given:
                raise UsageError(
                    f"{name}= is of tables, but {self.data} is a folder: the folders in it are the classes"
                    if self.of_folder
                    else f"{name}= is of folders of files, but {self.data} is none",
                    arguments=(name,),
                )
        if self.size is not None and min(self.size) < 1:
            raise UsageError(
                f"size={self.size[0]}x{self.size[1]}: height and width are 1 or more, as size=32x32",
                arguments=("size",),
            )
