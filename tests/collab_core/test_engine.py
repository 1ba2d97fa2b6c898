"""pycrdt's panics are errors like others, and what is no failure of it passes through."""

from __future__ import annotations

import pytest

from collab_core.engine import EngineRefused, panics_as_refusals


class PanicException(BaseException):
    """Shaped as the one pyo3 raises, whose class cannot be imported."""


@pytest.mark.parametrize("raised", [ValueError("bad bytes"), RuntimeError("no block"), PanicException("unwrap")])
def test_whatever_the_engine_raises_is_a_refusal_with_its_cause(raised: BaseException) -> None:
    with pytest.raises(EngineRefused, match=f"{type(raised).__name__}: {raised}") as refused, panics_as_refusals():
        raise raised
    assert refused.value.__cause__ is raised


@pytest.mark.parametrize("passed", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_not_the_engines_passes(passed: type[BaseException]) -> None:
    with pytest.raises(passed), panics_as_refusals():
        raise passed


def test_a_refusal_is_an_ordinary_error() -> None:
    assert issubclass(EngineRefused, ValueError)
