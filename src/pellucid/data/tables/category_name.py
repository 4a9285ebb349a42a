"""The name of a number that is a code: with the code it says what the code stands for."""

from collections.abc import Sequence


class CategoryName(str):
    """A feature's name that knows what its values mean.

    >>> city = CategoryName("city", ["other", "missing", "Rome"])
    >>> city, city.of(2.0), city.of(9.0)
    ('city', 'city: Rome', 'city')
    """

    __slots__ = ("meanings",)
    meanings: Sequence[str]

    def __new__(cls, name: str, meanings: Sequence[str]) -> "CategoryName":
        made = super().__new__(cls, name)
        made.meanings = meanings
        return made

    def of(self, value: float) -> str:
        """The name and what this value of it means; where it means nothing, the name."""
        known = 0 <= value < len(self.meanings)
        return f"{self}: {self.meanings[int(value)]}" if known else str(self)


def said(name: str, value: float) -> str:
    """What a number is called: its name, and of a code its meaning."""
    return name.of(value) if isinstance(name, CategoryName) else name
