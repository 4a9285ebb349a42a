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

SEAL = "seal"
"""The last key of a sealed JSON file: the SHA-256 of the file with this value's digits as zeros."""


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
        with new.open("wb") as file:  # one of a killed process of this number may lie there
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync_folder(path.parent)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise RunError(
            f"{path} could not be written: {error.strerror or error}. Nothing was half-written; "
            + ("free some space and try again" if full else "choose another place")
        ) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink()


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """`value` as readable JSON that carries its own checksum; raises RunError as `write`."""
    write(path, _sealed(value))


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote; RunError for a file that is missing, torn or edited."""
    try:
        content = path.read_bytes()
        value = json.loads(content)
        seal = value.pop(SEAL)
        unsealed = content.replace(seal.encode(), b"0" * 64)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: this is no complete run folder") from error
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read as the record of a run ({error!r}); it is torn or was edited") from error
    if digest(unsealed) != seal:
        raise RunError(f"{path} is torn or was edited: it is not what its seal says was written")
    return value


def _sealed(value: Mapping[str, Any]) -> bytes:
    zeros = "0" * 64
    text = json.dumps({**value, SEAL: zeros}, indent=1, ensure_ascii=False, allow_nan=True) + "\n"
    start = text.rindex(zeros)
    return (text[:start] + digest(text.encode()) + text[start + 64 :]).encode()


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


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same(path: Path, digest: str) -> bool:
    """Whether a file is there and has this SHA-256."""
    return path.is_file() and digest_of(path) == digest


def sync_folder(folder: Path) -> None:
    """Puts a folder's list of names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
