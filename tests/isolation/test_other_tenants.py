"""Every route of the API, asked by one company with another company's ids: nothing read, nothing changed, and nothing
that tells an id of somebody else's from one that does not exist.

The routes are those of the API's own description, so a new one is asked without being named here; one that takes an id
of a new kind fails until `companies.py` has such a thing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from dojo.contract import describe, operations
from kernel.http.operation import Role
from tests.conftest import Database
from tests.isolation.companies import Company, TwoCompanies, two_companies
from tests.isolation.samples import Ids, Samples

DOCUMENT = describe(operations())
SAMPLES = Samples(DOCUMENT)
ROUTES = [
    (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if method in ("get", "post", "put", "patch", "delete")
]
_LAST = ("/end", "/complete", "/leave", "/ban")
"""What ends something that the others need."""
WITH_IDS = [route for route in ROUTES if SAMPLES.ids(route[1], DOCUMENT["paths"][route[1]][route[0].lower()])]


@pytest.fixture
async def world(database: Database, redis: Redis) -> AsyncIterator[TwoCompanies]:
    async with two_companies(database, redis) as running:
        yield running


class Asking:
    """One of our people, asking with ids of their choice."""

    def __init__(self, world: TwoCompanies, own: Company) -> None:
        self._world = world
        self._own = own

    async def ask(self, method: str, path: str, role: Role, ids: Ids) -> tuple[int, str]:
        """Status and text of the answer, without what the request itself said."""
        operation: Mapping[str, Any] = DOCUMENT["paths"][path][method.lower()]
        used: set[str] = set()

        def noted(name: str) -> UUID:
            found = ids(name)
            used.add(str(found))
            return found

        request = SAMPLES.sent(operation, noted)
        async with self._world.client.request(
            method,
            SAMPLES.path(path, operation, noted),
            params=SAMPLES.query(operation, noted),
            data=request.get("data"),
            headers={**request["headers"], "Authorization": f"Bearer {self._world.token(self._own, role)}"},
        ) as answer:
            text = await answer.text()
        for sent in used:
            text = text.replace(sent, "")
        return answer.status, text


def test_the_walk_has_routes_to_walk() -> None:
    assert len(ROUTES) > 30
    assert ("GET", "/api/v1/users/{userId}") in WITH_IDS
    assert ("POST", "/api/v1/auth/login") in WITH_IDS


@pytest.mark.parametrize("role", list(Role))
async def test_nothing_of_another_company_is_read_or_changed(world: TwoCompanies, role: Role) -> None:
    own, other = await world.found("ours"), await world.found("theirs")
    asking = Asking(world, own)
    before = await world.fingerprints(other)
    reached = 0
    for method, path in ROUTES:
        status, text = await asking.ask(method, path, role, other.ids.__getitem__)
        assert status < 500, (method, path, text)
        reached += status not in (401, 403)
        leaked = [secret for secret in other.secrets if secret in text]
        assert not leaked, (method, path, leaked)
    assert await world.fingerprints(other) == before
    assert reached > 10, "the walk was turned away at the door"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
@pytest.mark.parametrize(("method", "path"), WITH_IDS)
async def test_an_id_of_another_company_is_as_unknown_as_one_of_nobody(
    world: TwoCompanies, method: str, path: str, role: Role
) -> None:
    own, other = await world.found("ours"), await world.found("theirs")
    asking = Asking(world, own)
    nobody = await asking.ask(method, path, role, lambda name: uuid4())
    theirs = await asking.ask(method, path, role, other.ids.__getitem__)
    assert theirs == nobody


async def test_the_same_requests_with_ones_own_ids_do_something(world: TwoCompanies) -> None:
    """Or the walk would prove nothing: most routes answer an administrator with 2xx, what is told apart as secret is
    read, and data changes."""
    own = await world.found("ours")
    asking = Asking(world, own)
    before = await world.fingerprints(own)
    answers = {
        (method, path): await asking.ask(method, path, Role.ADMIN, own.ids.__getitem__)
        for method, path in sorted(ROUTES, key=lambda route: route[1].endswith(_LAST))
        if method == "GET" or (method, path) in WITH_IDS
    }
    good = [text for status, text in answers.values() if status < 300]
    assert len(good) > len(answers) * 0.8, answers
    assert {secret for secret in own.secrets if any(secret in text for text in good)} > own.texts
    assert await world.fingerprints(own) != before
