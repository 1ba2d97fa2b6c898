"""A folder of a real store out of which nothing can be deleted, whoever runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def leading_out(folder: Path, outside: Path) -> Iterator[None]:
    """Meanwhile `folder` is a link to `outside`, a place beside the store where all of it lies: the store lists it, if
    it is asked for this folder, and refuses to touch it."""
    folder.rename(outside)
    folder.symlink_to(outside)
    try:
        yield
    finally:
        folder.unlink()
        outside.rename(folder)
