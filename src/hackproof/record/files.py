"""Files that are either whole or absent, and the digests that name them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import HackproofError, IntegrityError, RunError

if TYPE_CHECKING:
    import pyarrow as pa


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees all of it or none: write, fsync, rename, fsync.

    Raises:
        RunError: the folder cannot be written or is full; nothing is left half-written.
    """
    data = data.encode() if isinstance(data, str) else data
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise RunError(_explain(path, error)) from None


def _explain(path: Path, error: OSError) -> str:
    """Say what a failed write means and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space left to write {path}. Free some, or give another folder with --out; "
            "the same command then goes on from the cells that are done."
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot write {path}: {reason}. Give a folder that can be written with --out."


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        IntegrityError: the file is absent, cut short or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise IntegrityError(f"{path} does not exist.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path} is cut short or not JSON: {error}.") from None


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet; equal tables give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue().to_pybytes()


def read_parquet(path: Path) -> pa.Table:
    """Read a Parquet file.

    Raises:
        IntegrityError: the file is absent, cut short or not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise IntegrityError(f"{path} does not exist.") from None
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"{path} is cut short or not Parquet: {error}") from None


def _flock(handle: int, wait: float) -> None:
    """Take a file's lock, trying for `wait` seconds; raise OSError where it stays held."""
    until = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.02)


@contextlib.contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases it however the process ends.

    Args:
        folder: Made if absent.
        wait: Seconds to wait for another process that holds it.

    Raises:
        RunError: another process holds it, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(_explain(path, error)) from None
    try:
        try:
            _flock(handle, wait)
        except OSError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise RunError(
                f"{folder} is in use by process {holder}. Wait for it to end, or give another "
                "folder with --out."
            ) from None
        with contextlib.suppress(OSError):  # the name is a courtesy; the lock is the kernel's
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def cached(name: str, make: Callable[[], str]) -> str:
    """Return a text that is slow to make and always the same, from the user's cache.

    It lies under $XDG_CACHE_HOME/hackproof (or ~/.cache) and is made where it is not there
    or the cache cannot be written; HACKPROOF_NO_CACHE turns the cache off.
    """
    if os.environ.get("HACKPROOF_NO_CACHE"):
        return make()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "hackproof" / name
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    text = make()
    with contextlib.suppress(OSError, HackproofError):
        write_file(path, text)
    return text
