"""A frozen dataclass as plain JSON values, and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from pellucid.errors import DataError

T = TypeVar("T", bound="Plain")


@dataclass(frozen=True)
class Plain:
    """A record whose fields are texts, numbers, flags and tuples of texts."""

    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values, with its kind; `plain_from_json` gives back an equal one."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"kind": self.kind, **values}


class Marked:
    """A column that becomes one number and, where `indicator`, a second one that marks missing cells."""

    name: str
    indicator: bool

    @property
    def width(self) -> int:
        """How many numbers a cell becomes."""
        return 1 + self.indicator

    @property
    def feature_names(self) -> list[str]:
        """What to call each of them."""
        return [self.name, f"{self.name} missing"] if self.indicator else [self.name]


def plain_from_json(record: type[T], plain: Mapping[str, Any]) -> T:
    """The record that `to_json` wrote. Raises DataError where a field is missing or unknown."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key != "kind"}
    unknown = sorted(set(values) - {field.name for field in fields(record)})
    if unknown:
        raise DataError(
            f"A recipe's {record.kind} has {', '.join(unknown)}, which this pellucid does not know: update it."
        )
    try:
        return record(**values)
    except TypeError as error:
        raise DataError(f"A recipe's {record.kind} is not whole: {error}.") from error
