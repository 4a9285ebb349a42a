"""Picture files as numbers: decoded by Pillow, turned upright, brought to one size, kept as bytes."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid.arguments import whole
from pellucid.data.files.labelled_files import Found, LabelledFiles, find_files
from pellucid.data.files.placement import FITS, placement
from pellucid.data.rows import MEMORY_LIMIT, filling, room
from pellucid.errors import DataError, UsageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""What is decoded, by its first bytes and not by its name; of an animation the first frame."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_PIXELS = 100_000_000
"""A picture of more is refused before it is decoded: a small file can claim any size."""
COLORS = {"grey": 1, "rgb": 3}
GREY = ("1", "L", "LA", "La")
"""Pillow's modes of grey pictures, but for those of 16 bits, which begin with I."""
RESAMPLES = ("bilinear", "lanczos")
TOGETHER = 256
"""Files handed to the decoding threads at once."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture has to be turned; 5 to 8 exchange height and width."""


class Look(NamedTuple):
    """How a picture is brought to the numbers that a network takes."""

    size: tuple[int, int]
    color: str = "rgb"
    fit: str = "letterbox"
    resample: str = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.size, COLORS[self.color])

    def check(self) -> Look:
        """Itself; UsageError for a choice that there is not."""
        for name, given, known in (
            ("color", self.color, tuple(COLORS)),
            ("fit", self.fit, FITS),
            ("resample", self.resample, RESAMPLES),
        ):
            if given not in known:
                raise UsageError(f"{name}={given!r}: it is {' or '.join(map(repr, known))}")
        size: Any = self.size
        if not isinstance(size, list | tuple) or len(size) != 2:
            raise UsageError(f"size={size!r}: it is (height, width) in pixels, as (32, 32)")
        return self._replace(size=(whole("size[0]", size[0]), whole("size[1]", size[1])))


class Header(NamedTuple):
    """What a file says of itself before it is decoded: upright height and width, and whether it is grey."""

    size: tuple[int, int]
    grey: bool


@dataclass(frozen=True, kw_only=True)
class Pictures(LabelledFiles):
    """x: uint8 (n, height, width, channels), y, classes, files."""

    skipped: tuple[str, ...] = field(default=(), repr=False)
    """Of each file that was left out, why."""


def pictures(
    source: str | Path | Iterable[str | Path],
    size: tuple[int, int] | None = None,
    color: str | None = None,
    *,
    fit: str = "letterbox",
    resample: str = "bilinear",
    labels: Sequence[str] | None = None,
    skip: bool = False,
    most_pixels: int = MOST_PIXELS,
    memory_limit: int = MEMORY_LIMIT,
) -> Pictures:
    """The pictures of a folder (the folders in it are the classes), or of a list of files, as bytes of one size.

    size: (height, width) that all are brought to; needed where they differ. fit: "letterbox" (all of a picture, black
    beside it), "crop" (its middle) or "stretch". resample: "bilinear" or "lanczos", over all pixels that come together.
    color: "grey" (0.299 red + 0.587 green + 0.114 blue) or "rgb"; grey if all files are, if not given. What shines
    through becomes white. labels: the classes, for a list of files. skip: leaves files out that cannot be read, and
    says in `skipped` why. most_pixels: a picture of more is refused before it is decoded.

    PNG, JPEG, BMP, GIF, WEBP and TIFF are read, a few at a time, and turned as their EXIF orientation says; above
    `memory_limit` bytes x lies in a temporary file, mapped into memory. Raises DataError naming the file that cannot be
    read, or the sizes that differ; UsageError for arguments out of range.

    >>> import tempfile; from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, grey in (("dark", 20), ("light", 200)):
    ...     (folder / name).mkdir()
    ...     Image.new("L", (4, 2), grey).save(folder / name / "one.png")
    >>> found = pictures(folder, size=(4, 4))
    >>> found.x.shape, found.classes, found.y.tolist(), found.x[1, :, 0, 0].tolist()
    ((2, 4, 4, 1), ('dark', 'light'), [0, 1], [0, 200, 200, 0])
    """
    found = find_files(source, SUFFIXES, "pictures", labels)
    if size is None or color is None:
        found, headers, skipped = surveyed(found, skip, most_pixels)
        size = common_size(found.files, headers) if size is None else size
        color = color or ("grey" if all(header.grey for header in headers) else "rgb")
    else:
        skipped = ()
    return decoded(found, Look(size, color, fit, resample).check(), skip, most_pixels, memory_limit, skipped)


def surveyed(found: Found, skip: bool, most_pixels: int = MOST_PIXELS) -> tuple[Found, list[Header], tuple[str, ...]]:
    """The files whose headers can be read, these headers, and why the others cannot."""
    read = list(each(partial(_header, most_pixels=most_pixels), found.files, skip))
    good = [i for i, header in enumerate(read) if isinstance(header, Header)]
    headers = [header for header in read if isinstance(header, Header)]
    skipped = tuple(str(error) for error in read if isinstance(error, DataError))
    if not good:
        raise _none_left(skipped)
    return found.part(good), headers, skipped


def common_size(files: Sequence[Path], headers: Sequence[Header]) -> tuple[int, int]:
    """The size that all pictures have. Raises DataError where they differ, with the commonest."""
    first = {header.size: file for file, header in reversed(list(zip(files, headers, strict=True)))}
    sizes = Counter(header.size for header in headers).most_common()
    if len(sizes) == 1:
        return headers[0].size
    shown = ", ".join(f"{size[0]}×{size[1]} ({count:,}, as {first[size].name})" for size, count in sizes[:3])
    more = f" and {len(sizes) - 3:,} other sizes" if len(sizes) > 3 else ""
    raise DataError(
        f"the pictures are of {len(sizes):,} sizes, height×width: {shown}{more}. Say which all are brought to: "
        f"size={sizes[0][0]}"
    )


def decoded(
    found: Found,
    look: Look,
    skip: bool = False,
    most_pixels: int = MOST_PIXELS,
    memory_limit: int = MEMORY_LIMIT,
    skipped: tuple[str, ...] = (),
) -> Pictures:
    """The files as numbers."""
    x, folder = room((len(found.files), *look.shape), memory_limit, np.uint8)
    good: list[int] = []
    why = list(skipped)
    with filling(folder):
        for i, picture in enumerate(each(partial(_decoded, look=look, most_pixels=most_pixels), found.files, skip)):
            if isinstance(picture, DataError):
                why.append(str(picture))
                continue
            x[len(good)] = picture
            good.append(i)
        if not good:
            raise _none_left(why)
    kept = found.part(good)
    return Pictures(
        x=x[: len(good)], y=kept.y, classes=kept.classes, files=kept.files, folder=folder, skipped=tuple(why)
    )


def _none_left(why: Sequence[str]) -> DataError:
    return DataError(f"none of the {len(why):,} pictures can be read: {why[0]}")


def each(work: Callable[[Any], Any], items: Sequence[Any], skip: bool = False) -> Iterator[Any]:
    """work(item) for each item in order, done by several threads; if skipped, a DataError in its place.

    Pillow's warnings (odd tags, odd palettes) are no concern of who gets a picture or an error.
    """

    def tried(item: Any) -> Any:
        try:
            return work(item)
        except DataError as error:
            if not skip:
                raise
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "pellucid-pictures") as threads:
        for first in range(0, len(items), TOGETHER):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                done = list(threads.map(tried, items[first : first + TOGETHER]))
            yield from done


def _header(file: Path, most_pixels: int) -> Header:
    with _opened(file, most_pixels) as image:
        width, height = image.size
        # Asked of every file, a PNG would be decoded to look for tags behind its pixels.
        if (image.info.get("exif") or image.format == "TIFF") and image.getexif().get(ORIENTATION, 1) >= 5:
            # Whether a TIFF's size is given as stored or as shown depends on Pillow's version.
            width, height = upright(file, most_pixels).size if image.format == "TIFF" else (height, width)
        return Header((height, width), image.mode in GREY or image.mode.startswith("I"))


def _decoded(file: Path, look: Look, most_pixels: int) -> NDArray[np.uint8]:
    return rendered(upright(file, most_pixels), look)


def upright(file: Path, most_pixels: int = MOST_PIXELS) -> Any:
    """A picture file as a Pillow image of mode L or RGB, turned as its EXIF orientation says.

    Raises DataError for a file that is missing, torn, of another format or of too many pixels.
    """
    from PIL import ImageOps

    with _opened(file, most_pixels) as image:
        try:
            image.load()
            return _opaque(ImageOps.exif_transpose(image), file)
        except DataError:
            raise
        except Exception as error:  # Pillow's decoders raise what they like on a torn file
            raise DataError(f"{file} cannot be decoded ({error}): mend it or take it out.") from error


def rendered(image: Any, look: Look) -> NDArray[np.uint8]:
    """An upright image as bytes (height, width, channels)."""
    image = image.convert("L" if look.color == "grey" else "RGB")
    out = np.zeros(look.shape, np.uint8)
    where = placement(look.fit, (image.height, image.width), look.size)
    left, top, right, bottom = where.place
    if (image.height, image.width) != look.size:
        from PIL import Image

        way = Image.Resampling.LANCZOS if look.resample == "lanczos" else Image.Resampling.BILINEAR
        image = image.resize((right - left, bottom - top), way, box=where.part)
    out[top:bottom, left:right] = np.asarray(image).reshape(bottom - top, right - left, -1)
    return out


@contextmanager
def _opened(file: Path, most_pixels: int) -> Generator[Any]:
    """The image in a file, not decoded yet."""
    image_module = _pillow()
    try:  # Not by its name: Pillow would map an uncompressed TIFF, and misread the lines of a turned one.
        stream = file.open("rb")
    except OSError as error:
        raise DataError(f"{file} cannot be opened: {error.strerror}.") from error
    with stream:
        try:
            image = image_module.open(stream, formats=FORMATS)
        except image_module.DecompressionBombError as error:
            raise DataError(f"{file} has too many pixels ({error}): make it smaller.") from error
        except Exception as error:
            raise DataError(f"{file} is no picture that can be read ({', '.join(FORMATS)}), or torn.") from error
        width, height = image.size
        if width * height > most_pixels:
            raise DataError(
                f"{file} has {width:,} × {height:,} pixels, more than {most_pixels:,}: make it smaller, or raise "
                "most_pixels=."
            )
        yield image


def _opaque(image: Any, file: Path) -> Any:
    """In mode L or RGB; 16 bits become 8, and what shines through becomes white."""
    image_module = _pillow()
    if image.mode == "F":
        raise DataError(f"{file} holds real numbers, whose black and white are not known: save it with 8 bits a pixel.")
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise DataError(
                f"{file} holds numbers from {deep.min()} to {deep.max()}, not 0 to 65535: save it with 8 bits."
            )
        return image_module.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    grey = image.mode in GREY
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        image = image.convert("RGBA")
        white = image_module.new("RGBA", image.size, "white")
        image = image_module.alpha_composite(white, image)
    return image.convert("L" if grey else "RGB")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(
            f'pictures are read by Pillow, which is missing: pip install "pellucid[images]" ({error})'
        ) from error
    return Image
