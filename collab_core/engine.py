"""Calls into pycrdt. A Rust panic comes out as a BaseException of a class that cannot be imported, and would pass by
every handler of ordinary errors; here it becomes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class EngineRefused(ValueError):
    """pycrdt would not take bytes that the codec had passed. A document that was called is poisoned now."""


@contextmanager
def panics_as_refusals() -> Iterator[None]:
    """Whatever pycrdt raises inside, panics included, is raised as `EngineRefused`."""
    try:
        yield
    except BaseException as error:
        refuse(error)


def refuse(error: BaseException) -> NoReturn:
    """Raise `EngineRefused` for what pycrdt raised, and pass on what it did not."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError | GeneratorExit):
        raise error
    raise EngineRefused(f"{type(error).__name__}: {error}") from error
