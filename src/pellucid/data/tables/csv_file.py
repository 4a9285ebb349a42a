"""A CSV file as a stream of tables of text cells, in bounded memory, every record checked.

The file is read in blocks of a few megabytes. A block's records are counted (`csv_block`), its bytes checked
to be UTF-8, and only then parsed by polars, as text: what a cell means is for the columns to say.
"""

import csv
import gzip
import itertools
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn, cast

import numpy as np
import polars as pl

from pellucid.data.tables.csv_block import Block, LineMap, cut
from pellucid.errors import DataError

BOM = b"\xef\xbb\xbf"
BLOCK = 8 << 20
LONGEST = 64 << 20
MOST_HEADER_LINES = 20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class CsvFile:
    """One CSV or TSV file, plain or gzipped: its header now, its rows on demand."""

    def __init__(self, path: Path, shown: str) -> None:
        """Reads the header and the first record of `path`; `shown` is the file's name in messages."""
        self.path, self.shown = path, shown
        self.notes: list[str] = []
        self._count: int | None = None
        self._stamp = self._fingerprint()
        with self._open() as file:
            head = self._read(file, 1 << 20)
            while not self._has_two_records(head) and len(head) < LONGEST and (more := self._read(file, BLOCK)):
                head += more
        self._offset = len(BOM) if head.startswith(BOM) else 0
        if not head[self._offset :].strip():
            raise DataError(f"{shown} is empty: a table needs a header line and at least one row below it.")
        self.separator = self._sniff(head[self._offset :])
        self.columns = self._read_header(head[self._offset :])
        self.lines = LineMap(self._header_lines + 1)
        self._block = max(BLOCK, 4096 * len(self.columns))
        if next(self.batches(1), None) is None:
            self._refuse_header_only(head)

    def batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The rows in file order, at most `size` a frame, every cell text (a blank one null or "")."""
        if self._fingerprint() != self._stamp:
            raise DataError(f"{self.shown} changed while it was being read: open it again.")
        chosen = set(self.columns if columns is None else columns)
        wanted = [i for i, name in enumerate(self.columns) if name in chosen]
        row = 0
        for block, line, offset in self._blocks():
            if block is None:
                frames: Iterator[pl.DataFrame] = self._slowly(row, line, offset, size, wanted)
            else:
                self._check_cells(block, line)
                self.lines.add(row, block.lines + line)
                frames = self._parse(block, size, wanted)
            for frame in frames:
                row += frame.height
                yield frame
        self._count = row

    def row_count(self) -> int:
        """How many rows stand below the header; the first call reads the whole file, cheaply."""
        if self._count is None:
            row = 0
            for block, line, offset in self._blocks():
                if block is None:
                    row += sum(f.height for f in self._slowly(row, line, offset, 50_000, [0]))
                else:
                    self._check_cells(block, line)
                    self.lines.add(row, block.lines + line)
                    row += block.ends.size
            self._count = row
        return self._count

    def line(self, row: int) -> int:
        """The line of the file that a row (0 for the first) starts on."""
        if row >= self.lines.known:
            self._count = None
            self.row_count()
        return self.lines.line(row)

    def _open(self) -> IO[bytes]:
        zipped = self.path.name.lower().endswith(".gz")
        try:
            return cast("IO[bytes]", gzip.open(self.path, "rb") if zipped else self.path.open("rb"))
        except OSError as error:
            raise DataError(f"{self.shown} can not be opened: {error.strerror or error}.") from error

    def _fingerprint(self) -> tuple[int, int]:
        try:
            about = os.stat(self.path)
        except OSError as error:
            raise DataError(f"{self.shown} can not be opened: {error.strerror or error}.") from error
        return about.st_size, about.st_mtime_ns

    def _has_two_records(self, head: bytes) -> bool:
        block = cut(head, ord(","), last=False, keep_blank=False)
        return block is None or block.ends.size >= 2

    def _sniff(self, head: bytes) -> str:
        """The separator the extension promises, unless the header has none of it and as many of another
        as the first row has."""
        promised = "\t" if ".tsv" in self.path.name.lower() else ","
        counts: dict[str, tuple[int, ...]] = {}
        for mark in SEPARATORS:
            block = cut(head, ord(mark), last=True, keep_blank=False)
            if block is None:
                lines = [line for line in head.split(b"\n") if line.strip()][:2]
                counts[mark] = tuple(line.count(mark.encode()) + 1 for line in lines)
            else:
                counts[mark] = tuple(int(n) for n in block.cells[:2])
        if not counts[promised] or counts[promised][0] > 1:
            return promised
        for mark, found in counts.items():
            if found[0] > 1 and len(set(found)) == 1:
                self.notes.append(f"{self.shown} separates its cells with {SEPARATORS[mark]}; it was read so.")
                return mark
        return promised

    def _read_header(self, head: bytes) -> list[str]:
        length = min(self._header_length(head), len(head))
        self._begin = self._offset + length
        text = self._decode(head[:length], 1, self._offset)
        reader = csv.reader(text.splitlines(keepends=True), delimiter=self.separator)
        names = [name.strip() for name in next(row for row in reader if row)]
        self._header_lines = text.count("\n") or 1
        where, first = f"{self.shown}, line {self._header_lines}", dict[str, int]()
        for i, name in enumerate(names):
            if not name:
                raise DataError(
                    f"{where}: column {i + 1} of {len(names)} has no name. Give it one in the header (pandas "
                    "writes a "
                    "nameless first column unless told to_csv(index=False))."
                )
            if name in first:
                raise DataError(
                    f'{where}: columns {first[name] + 1} and {i + 1} are both called "{name}". Rename one in '
                    "the header."
                )
            first[name] = i
        return names

    def _header_length(self, head: bytes) -> int:
        """How many bytes the header takes, with the blank lines before it and the line ends it quotes."""
        skipped = len(head) - len(head.lstrip(b"\r\n"))
        first = end = (head + b"\n").index(b"\n", skipped) + 1
        for _ in range(MOST_HEADER_LINES):
            if head.count(b'"', skipped, end) % 2 == 0:
                return end
            end = head.find(b"\n", end) + 1 or len(head)
        return first

    def _refuse_header_only(self, head: bytes) -> NoReturn:
        if b"\n" not in head.strip() and b"\r" in head.strip():
            raise DataError(
                f"{self.shown} ends its lines with a bare carriage return (old Mac OS). Convert it: "
                f"tr '\\r' '\\n' < {self.path.name} > converted.csv"
            )
        raise DataError(
            f"{self.shown} has a header ({len(self.columns)} columns) and no row below it: nothing to learn from."
        )

    def _blocks(self) -> Iterator[tuple[Block | None, int, int]]:
        """Each block with the line and the byte it starts at; a None block says: slowly from here on."""
        with self._open() as file:
            offset = len(self._read(file, self._begin))
            line, rest, fresh = self._header_lines + 1, b"", self._read(file, self._block)
            while True:
                following = self._read(file, self._block)
                data = rest + fresh
                block = cut(data, ord(self.separator), last=not following, keep_blank=len(self.columns) == 1)
                if block is None:
                    yield None, line, offset
                    return
                whole = data[: len(data) - len(block.rest)]
                self._decode(whole, line, offset)
                if block.ends.size:
                    yield block, line, offset
                line, offset = line + whole.count(b"\n"), offset + len(whole)
                rest, fresh = block.rest, following
                if rest and (not following or len(rest) > LONGEST):
                    raise DataError(
                        f"{self.shown}, line {line}: a quotation mark opens a cell and is never closed. "
                        'Close it, or double each mark that belongs to the text: "" for ".'
                    )
                if not following:
                    return

    def _read(self, file: IO[bytes], size: int) -> bytes:
        try:
            return file.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.shown} breaks off or is damaged ({error}): copy it again.") from error

    def _decode(self, data: bytes, line: int, offset: int) -> str:
        """The text of UTF-8 bytes (empty for plain ASCII blocks past the header, which need no decoding)."""
        if line > 1 and data.isascii():
            return ""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line += data.count(b"\n", 0, error.start)
            guess = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin1"
            raise DataError(
                f"{self.shown}, line {line}: byte {offset + error.start} (0x{data[error.start]:02x}) is not "
                "UTF-8 text. "
                f"Convert the file: iconv -f {guess} -t utf-8 {self.path.name} > converted.csv"
            ) from error

    def _check_cells(self, block: Block, line: int) -> None:
        width = len(self.columns)
        wrong = np.flatnonzero(block.cells != width)
        if wrong.size:
            self._refuse_ragged([(line + int(block.lines[i]), int(block.cells[i])) for i in wrong[:3]])

    def _refuse_ragged(self, found: list[tuple[int, int]]) -> NoReturn:
        name = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}[self.separator]
        listed = ", ".join(f"line {line} has {cells} cell{'s' * (cells != 1)}" for line, cells in found)
        raise DataError(
            f"{self.shown}: {listed}, where the header has {len(self.columns)}. "
            f'Put text that holds a {name} in double quotes ("…"), and mark a missing cell by nothing '
            f"between two {name}s."
        )

    def _parse(self, block: Block, size: int, wanted: list[int]) -> Iterator[pl.DataFrame]:
        for first in range(0, block.ends.size, size):
            last = min(first + size, block.ends.size)
            begin = int(block.ends[first - 1]) if first else 0
            frame = pl.read_csv(
                block.data[begin : int(block.ends[last - 1])],
                has_header=False,
                infer_schema=False,
                separator=self.separator,
                quote_char='"' if block.quoted else None,
                columns=None if len(wanted) == len(self.columns) else wanted,
            )
            if frame.height != last - first:
                raise DataError(f"{self.shown}: {last - first} records were counted and {frame.height} parsed.")
            frame.columns = [self.columns[i] for i in wanted]
            yield frame

    def _slowly(self, row: int, line: int, offset: int, size: int, wanted: list[int]) -> Iterator[pl.DataFrame]:
        """The rest of the file by Python's csv module, which takes a stray quotation mark as text."""
        first = line

        def decoded(file: IO[bytes]) -> Iterator[str]:
            here, at = line, offset
            for raw in file:
                yield self._decode(raw, here, at) or raw.decode()
                here, at = here + 1, at + len(raw)

        def records(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
            reader = csv.reader(decoded(file), delimiter=self.separator, skipinitialspace=True)
            begin = first
            for cells in reader:
                if cells or len(self.columns) == 1:
                    if len(cells or [""]) != len(self.columns):
                        self._refuse_ragged([(begin, len(cells))])
                    yield begin, cells or [""]
                begin = first + reader.line_num

        with self._open() as file:
            file.seek(offset)
            stream = records(file)
            try:
                while chunk := list(itertools.islice(stream, size)):
                    self.lines.add(row, np.asarray([begin for begin, _ in chunk], np.int64))
                    row += len(chunk)
                    yield pl.DataFrame(
                        {self.columns[i]: [cells[i] for _, cells in chunk] for i in wanted},
                        schema={self.columns[i]: pl.String for i in wanted},
                    )
            except csv.Error as error:
                raise DataError(f"{self.shown}, below line {self.lines.line(max(row - 1, 0))}: {error}.") from error
