"""Columns of ids: who rated, and what was rated. Each id is a code of its own, however rare."""

from __future__ import annotations

from typing import ClassVar

from pellucid.data.tables.category import MOST_COUNTED, Category, CategoryLearner


class User(Category):
    """One code for each user (0 never seen, 1 missing), for which a bias and a vector are learned."""

    kind: ClassVar[str] = "user"

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        return (
            f"{self.name}: one of {len(self.values):,} {self.kind}s, a code for which the network learns a bias and a "
            "vector (0: never seen, 1: missing)."
        )


class Item(User):
    """One code for each item, as for users."""

    kind: ClassVar[str] = "item"


class MemberLearner(CategoryLearner):
    """Counts the ids of the training rows, and keeps those that are met once as well."""

    def __init__(self, name: str, missing: tuple[str, ...], kind: type[User]) -> None:
        super().__init__(name, missing)
        self._kind = kind

    def column(self) -> User:
        """By falling frequency; where there are more than 200,000, the most frequent ones."""
        ranked = self.ranked()
        values = tuple(value for value, _ in ranked)[:MOST_COUNTED]
        return self._kind(
            self._name, values, "embedding", self._lacking, self._dropped or len(values) < len(ranked), self._missing
        )
