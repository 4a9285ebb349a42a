"""Files that are whole or not there: new file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy

from pellucid.errors import RunError


def write(path: Path, content: bytes) -> None:
    """Puts `content` at `path`: whoever looks sees what was there before or all of the new, never a part.

    Raises RunError where the disk is full or the place cannot be written; what was there before stays.
    """
    with whole(path) as file:
        file.write(content)


@contextlib.contextmanager
def whole(path: Path) -> Generator[IO[bytes]]:
    """A file to write to, which is at `path` only once all of it is on the disk. Errors as `write`."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        _sync_folder(path.parent)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise RunError(
            f"{path} could not be written: {error.strerror or error}. Nothing was half-written; "
            + ("free some space and try again" if full else "choose another place")
        ) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink()


def write_json(path: Path, value: Any) -> None:
    """`value` as readable JSON; raises RunError as `write`."""
    write(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """What `write_json` wrote; RunError for a file that is missing or torn."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: this is no complete run folder") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as JSON ({error}); the file is torn or was edited") from error


def tensors(arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Arrays by name as a safetensors file."""
    from safetensors.numpy import save  # here, so that `import pellucid` stays fast

    plain = {name: numpy.asarray(array, order="C") for name, array in arrays.items()}
    return save(plain, dict(metadata) if metadata else None)


def read_tensors(content: bytes, name: str) -> dict[str, numpy.ndarray[Any, Any]]:
    """The arrays of a safetensors file; RunError where it is torn."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{name} is torn: {error}") from error


def metadata_of(content: bytes, name: str) -> dict[str, str]:
    """The text that a safetensors file carries with its arrays."""
    size = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + size])
        return header.get("__metadata__", {})
    except (ValueError, AttributeError) as error:
        raise RunError(f"{name} is no safetensors file, or it is torn") from error


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
