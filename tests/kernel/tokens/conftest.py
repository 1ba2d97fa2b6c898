from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.kernel.tokens.processes import Processes, processes


@pytest.fixture
async def all_of(database: Database) -> AsyncIterator[Processes]:
    async with processes(database.dsn("dojo_service")) as found:
        yield found
