"""A hall for tests that take it as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.media_sfu.stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A hall with the usual limits, on sockets of its own."""
    async with staged() as made:
        yield made
