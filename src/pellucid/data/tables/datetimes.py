"""A column of dates or times: the position in the year, week and day on circles, and the time elapsed."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.cells import Flags, Reals, missing_mask, read_labels
from pellucid.data.tables.numeric import refuse
from pellucid.data.tables.plain import Plain
from pellucid.data.tables.statistics import Spread

CLOCKS = ("", " %H:%M:%S%.f", " %H:%M", " %I:%M %p", " %I:%M:%S %p")
DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d.%m.%y", "%m/%d/%y",
    "%d/%m/%y", "%d-%b-%y",
)  # fmt: skip
ISO = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m",
)
FORMATS = (*ISO, *(day + clock for day in DAYS for clock in CLOCKS), "%H:%M:%S%.f", "%H:%M", "%I:%M %p")
# Most text is no date, and a hundred formats are slow to try: a glance at the first cell rules it out.
LOOKS_DATED = re.compile(r"\s*(\d{1,4}\s?[-/.:\s]\s?\w|[A-Za-z]{3,9} \d)")
SWAPPED = (("%m/%d", "%d/%m"), ("%d-%m", "%m-%d"))
YEAR_1_TO_1970 = 62_135_596_800_000_000
CYCLES = {"month": 12.0, "weekday": 7.0, "hour": 24.0}


def read_moments(cells: pl.Series, format: str, missing: tuple[str, ...] = ()) -> tuple[pl.Series, Flags]:
    """Each cell as a datetime (UTC if it names its zone), null where missing; and which are unreadable."""
    none = np.zeros(len(cells), np.bool_)
    kind = cells.dtype
    if kind == pl.Date:
        return cells.cast(pl.Datetime("us")), none
    if kind == pl.Datetime:
        zoned = cells.dtype.time_zone if isinstance(cells.dtype, pl.Datetime) else None
        naive = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else cells
        return naive.cast(pl.Datetime("us")), none
    if kind == pl.Time:
        return (cells.cast(pl.Int64) // 1000).cast(pl.Datetime("us")), none
    text = cells.cast(pl.String, strict=False).str.strip_chars()
    absent = missing_mask(text, missing)
    moments = text.str.strptime(pl.Datetime("us"), format, strict=False)
    if "%#z" in format:
        moments = moments.dt.replace_time_zone(None)
    if "%Y" in format:
        moments = _without(moments, (moments.dt.year() < 1000).fill_null(False))
    elif "%y" not in format:
        # A time alone is read as one on 1 January of the year 1; seconds count from 1970.
        moments = (moments.cast(pl.Int64) + YEAR_1_TO_1970).cast(pl.Datetime("us"))
    moments = _without(moments, absent)
    return moments, (moments.is_null() & ~absent).to_numpy()


def _without(moments: pl.Series, where: pl.Series) -> pl.Series:
    return moments.zip_with(~where, moments.clear(len(moments)))


def formats_of(cells: pl.Series, candidates: tuple[str, ...], missing: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Those of the candidate formats that read every cell."""
    first = cells.slice(0, 1)
    if not first.len() or not LOOKS_DATED.match(str(first[0])):
        return ()
    alive = tuple(f for f in candidates if not first.str.strptime(pl.Datetime("us"), f, strict=False).null_count())
    return tuple(f for f in alive if not read_moments(cells, f, missing)[1].any())


def also_read_as(formats: tuple[str, ...]) -> str:
    """The format with day and month the other way round, if it reads all cells as the first format does."""
    for chosen, other in SWAPPED:
        if formats and chosen in formats[0] and formats[0].replace(chosen, other) in formats:
            return formats[0].replace(chosen, other)
    return ""


@dataclass(frozen=True)
class Moment(Plain):
    """Standardised time elapsed, the year if it varies, and the sine and cosine of each cycle that varies."""

    kind: ClassVar[str] = "moment"
    name: str
    format: str
    """How the text is read; empty where the file itself says that the column holds dates."""
    mean: float
    scale: float
    """In seconds since 1970."""
    year_mean: float = 0.0
    year_scale: float = 0.0
    """0: the year does not vary in the training rows."""
    cycles: tuple[str, ...] = ()
    indicator: bool = False
    missing: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many numbers a cell becomes."""
        return len(self.feature_names)

    @property
    def feature_names(self) -> list[str]:
        """What to call each of them."""
        names = [f"{self.name} elapsed"] + [f"{self.name} year"] * bool(self.year_scale)
        names += [f"{self.name} {cycle} {wave}" for cycle in self.cycles for wave in ("sine", "cosine")]
        return names + [f"{self.name} missing"] * self.indicator

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """The cells as float32, shape (n, width); all 0 (the mean) where missing. Raises UnreadableCells."""
        format = self.format
        if not format and cells.dtype == pl.String:
            present = read_labels(cells, self.missing).drop_nulls()
            format = next(iter(formats_of(present, FORMATS, self.missing)), FORMATS[0])
        moments, unreadable = read_moments(cells, format, self.missing)
        refuse(self.name, cells, unreadable, f"a date or time written {format}")
        parts = [(_seconds(moments) - self.mean) / self.scale]
        if self.year_scale:
            parts.append((_part(moments, "year") - self.year_mean) / self.year_scale)
        for cycle in self.cycles:
            angle = _part(moments, cycle) * (2 * np.pi / CYCLES[cycle])
            parts += [np.sin(angle), np.cos(angle)]
        if self.indicator:
            parts.append(moments.is_null().cast(pl.Float64).to_numpy())
        out = np.stack(parts, axis=1).astype(np.float32)
        return np.nan_to_num(out, copy=False, nan=0.0)

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        written = f" written {self.format}" if self.format else ""
        parts = ["the time elapsed, standardised"] + ["the year, standardised"] * bool(self.year_scale)
        parts += [f"the {cycle} as a sine and a cosine" for cycle in self.cycles]
        gaps = f'; missing cells are 0 and "{self.name} missing" is then 1' if self.indicator else ""
        return f"{self.name}: a date or time{written}: {', '.join(parts)}{gaps}."


def _seconds(moments: pl.Series) -> Reals:
    return moments.cast(pl.Int64).cast(pl.Float64).to_numpy() / 1e6


def _part(moments: pl.Series, name: str) -> Reals:
    """The year, or where in its cycle a moment stands, from 0."""
    if name == "year":
        part = moments.dt.year()
    elif name == "month":
        part = moments.dt.month() - 1
    elif name == "weekday":
        part = moments.dt.weekday() - 1
    else:
        part = moments.dt.hour().cast(pl.Float64) + moments.dt.minute() / 60
    return part.cast(pl.Float64).to_numpy()


class MomentLearner:
    """Gathers from the training rows what a Moment needs."""

    def __init__(self, name: str, missing: tuple[str, ...], format: str) -> None:
        self._name, self._missing, self._format = name, missing, format
        self._elapsed, self._year = Spread(), Spread()
        self._ranges = dict.fromkeys(CYCLES, (np.inf, -np.inf))
        self._lacking = False

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Takes in cells of training rows."""
        moments = read_moments(cells, self._format, self._missing)[0]
        self._lacking |= moments.null_count() > 0
        moments = moments.drop_nulls()
        if not moments.len():
            return
        self._elapsed.add(_seconds(moments))
        self._year.add(_part(moments, "year"))
        for cycle, (low, high) in self._ranges.items():
            part = _part(moments, cycle)
            self._ranges[cycle] = (min(low, float(part.min())), max(high, float(part.max())))

    def column(self) -> Moment:
        varies = self._year.deviations > 0
        return Moment(
            self._name,
            self._format,
            self._elapsed.mean,
            self._elapsed.scale,
            self._year.mean if varies else 0.0,
            self._year.scale if varies else 0.0,
            tuple(cycle for cycle, (low, high) in self._ranges.items() if high > low),
            self._lacking,
            self._missing,
        )
