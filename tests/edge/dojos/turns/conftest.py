from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.edge.dojos.turns.hall import Hall
from tests.edge.dojos.turns.hall import hall as a_hall


@pytest.fixture
async def hall(database: Database) -> AsyncIterator[Hall]:
    """A dojo without rooms."""
    async with a_hall(database) as found:
        yield found
