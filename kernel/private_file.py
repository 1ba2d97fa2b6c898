"""A small file only its owner may read, made on first use: a key in the data directory."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from kernel.durable_folder import sync_folder

LONGEST_BYTES = 64 * 1024
"""Keys are small; a path that leads to something large by mistake is not read into memory."""


class PrivateFileError(Exception):
    """The file cannot be made, read or trusted; the text says why and what to do, and nothing of the content."""


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of `path`; if it is not there, `make()` is written first, with mode 0600 in a folder of mode 0700.

    Several processes may do so at once: all get the same content. Raises `PrivateFileError`, also when somebody else
    may read the file.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            create_once(path, make())
        return _read(path)
    except OSError as error:
        raise PrivateFileError(f"cannot read or create {path}: {error.strerror}") from error


def create_once(path: Path, content: bytes) -> bool:
    """Write `path` whole or not at all, and only if it is not there; tells whether it was written. Raises `OSError`.

    A hard link, unlike a rename, never replaces what another process wrote first.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        sync_folder(path.parent)
        return True
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    # O_NONBLOCK: a named pipe in the file's place must not hold the start up for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)  # of what was opened: the name may lead elsewhere by now
        if not stat.S_ISREG(found.st_mode):
            raise PrivateFileError(f"{path} is no ordinary file: move it away")
        if found.st_mode & 0o077:
            raise PrivateFileError(f"others may read {path}: run `chmod 600` on it")
        content = file.read(LONGEST_BYTES + 1)
    if len(content) > LONGEST_BYTES:
        raise PrivateFileError(f"{path} is longer than {LONGEST_BYTES} bytes: it cannot be a key")
    return content
