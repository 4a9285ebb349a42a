"""A block of CSV bytes, cut into whole records and counted, before anything is parsed.

A parser may pad a short row with blanks and let a lost comma pass for missing data, so the cells of every
record are counted here, on the bytes, by NumPy: a separator or a line end counts where the number of
quotation marks before it is even. That rule is exact as long as each mark opens or closes a whole cell; where
one does not (`5" pipe`), `cut` answers None and the file is read the slow way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEWLINE, RETURN, QUOTE = 10, 13, 34
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole records: their bytes, where each ends, its first line within the block, and its cells."""

    data: bytes
    ends: Integers
    lines: Integers
    cells: Integers
    rest: bytes
    quoted: bool


def cut(data: bytes, separator: int, last: bool, keep_blank: bool) -> Block | None:
    """The whole records at the head of `data`; what follows them is `rest`.

    `last`: no more bytes will come, so an unfinished record is a record. `keep_blank`: an empty line is a
    missing cell (a table of one column), and is dropped otherwise. `ends` holds the offset just after each
    record, `lines` counts from 0. None: a quotation mark stands inside a cell.
    """
    letters = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(letters == NEWLINE)
    quotes = np.flatnonzero(letters == QUOTE)
    outer = newlines
    if quotes.size:
        if not _regular(letters, quotes, separator):
            return None
        outer = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    if last and data and quotes.size % 2 == 0 and (outer.size == 0 or outer[-1] != len(data) - 1):
        return cut(data + b"\n", separator, last, keep_blank)
    length = int(outer[-1]) + 1 if outer.size else 0
    marks = np.flatnonzero(letters[:length] == separator)
    if quotes.size:
        marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    starts = np.concatenate([np.zeros(1, np.int64), outer[:-1] + 1])[: outer.size]
    cells = np.diff(np.searchsorted(marks, outer), prepend=0) + 1
    lines = np.searchsorted(newlines, starts) if quotes.size else np.arange(outer.size, dtype=np.int64)
    body, ends = data[:length], outer + 1
    sizes = ends - starts
    blank = (sizes == 1) | ((sizes == 2) & (letters[starts] == RETURN))
    if not keep_blank and bool(blank.any()):
        wanted = np.ones(length, np.bool_)
        wanted[starts[blank]] = False
        wanted[outer[blank]] = False
        body = letters[:length][wanted].tobytes()
        cells, lines, ends = cells[~blank], lines[~blank], np.cumsum(sizes[~blank])
    return Block(body, ends, lines, cells, data[length:], bool(quotes.size))


def _regular(letters: NDArray[np.uint8], quotes: Integers, separator: int) -> bool:
    """Whether every odd mark opens a cell and every even one closes it, or both are a doubled mark."""
    openers, closers = quotes[0::2], quotes[1::2]
    before = letters[np.maximum(openers - 1, 0)]
    opens = (openers == 0) | (before == separator) | (before == NEWLINE)
    opens[1:] |= closers[: openers.size - 1] == openers[1:] - 1
    at_end = closers == letters.size - 1
    after = letters[np.minimum(closers + 1, letters.size - 1)]
    closes = at_end | (after == separator) | (after == NEWLINE) | (after == RETURN) | (after == QUOTE)
    return bool(opens.all() and closes.all())


class LineMap:
    """Which line of the file each row starts on, kept only where rows and lines part company."""

    def __init__(self, first: int) -> None:
        """`first`: the line of row 0."""
        self._rows: list[Integers] = [np.zeros(1, np.int64)]
        self._shifts: list[Integers] = [np.full(1, first, np.int64)]
        self.known = 0

    def add(self, row: int, lines: Integers) -> None:
        """Rows `row`, `row + 1`, … start on `lines`. Rows seen before are passed over."""
        if row < self.known or not lines.size:
            return
        shifts = lines - np.arange(row, row + lines.size)
        changed = np.flatnonzero(np.diff(shifts, prepend=self._shifts[-1][-1]))
        if changed.size:
            self._rows.append(changed + row)
            self._shifts.append(shifts[changed])
        self.known = row + int(lines.size)

    def line(self, row: int) -> int:
        """The line that a row starts on, 1 for the first of the file."""
        rows, shifts = np.concatenate(self._rows), np.concatenate(self._shifts)
        return row + int(shifts[np.searchsorted(rows, row, side="right") - 1])
