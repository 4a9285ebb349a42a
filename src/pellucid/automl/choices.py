"""How to train, where a person leaves it to the size of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

ROWS_SEEN = 600_000
"""Rows to train on in all, one counted each time it is seen: more of them bring little, and take time."""


@dataclass(frozen=True)
class Choices:
    """How to train on a table; None leaves the choice to the size of the data."""

    hidden: tuple[int, ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    dropout: float | None = None
    patience: int | None = None
    seed: int = 0
    engine: str = "xla"

    def __str__(self) -> str:
        hidden = " and ".join(str(units) for units in self.hidden or ())
        return (
            f"with {hidden or 'no'} hidden units, batches of {self.batch_size}, at most {self.epochs} epochs, "
            f"learning rate {self.learning_rate:g}"
        )

    def filled(self, rows: int, hidden: tuple[int, ...] | None = None) -> Choices:
        """Every choice made, for so many training rows; hidden: the units where nobody says, if not by the rows."""
        # Near the square root of the rows: small tables get enough steps in an epoch, large ones few enough.
        batch = self.batch_size or int(min(1024, max(16, 2 ** round(numpy.log2(max(rows, 1)) / 2))))
        batch = min(batch, rows)
        epochs = self.epochs or self._epochs(rows, -(-rows // batch))
        return Choices(
            self.hidden or (_hidden(rows) if hidden is None else hidden),
            epochs,
            batch,
            self.learning_rate or 3e-3,  # Three times Adam's usual rate: safe with a warm-up and a cosine.
            # With few rows it keeps units from leaning on each other; with many, decay is enough, and faster.
            (0.1 if rows < 5_000 else 0.0) if self.dropout is None else self.dropout,
            # The cosine's small rates, at the end, are where most is gained: half of it is waited for.
            self.patience or max(10, epochs // 2),
            self.seed,
            self.engine,
        )

    @staticmethod
    def _epochs(rows: int, steps: int) -> int:
        """How long to train: the cosine ends with the last epoch, about when nothing more is learned."""
        most = max(40, 1_000 // steps)  # More than 40 only where an epoch has too few steps to learn much.
        return min(most, max(10, ROWS_SEEN // rows))


def _hidden(rows: int) -> tuple[int, ...]:
    """Units of the hidden layers: few rows are learned as well or better by few units, which can be printed whole."""
    sizes = {200: (16,), 400: (32,), 1_000: (64, 64)}
    return next((units for limit, units in sizes.items() if rows < limit), (128, 128))
