"""The sockets, asked by one company for another's room: a room of that name is another room, whatever is shown at the
door, and what one company types, shows or renews never reaches the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.collab_core.client import Client
from tests.conftest import Database
from tests.dojo.test_live_node import Node, running, settings
from tests.kernel.tokens.issuing import Issuer, issuing

OURS, THEIRS = uuid4(), uuid4()
ROOM = "/api/v1/rooms/kata/sync"


@pytest.fixture
async def issuer(database: Database) -> AsyncIterator[Issuer]:
    async with issuing(database.dsn("dojo_service")) as issuer:
        yield issuer


@pytest.fixture
async def node(database: Database, issuer: Issuer) -> AsyncIterator[Node]:
    async with running(settings(database)) as node:
        yield node


async def enter(node: Node, query: str) -> Client:
    client = await node.enter_with(f"{ROOM}?{query}")
    await client.sync()
    return client


@pytest.mark.parametrize("shown", ["token", "ticket"])
async def test_a_room_of_the_same_name_is_another_room(node: Node, issuer: Issuer, shown: str) -> None:
    them = await enter(node, f"token={issuer.access(THEIRS, uuid4(), uuid4())}")
    await them.type("theirs alone")
    await them.until(lambda: them.saved == them.sent)
    mint = issuer.access if shown == "token" else issuer.ticket
    us = await enter(node, f"{shown}={mint(OURS, uuid4(), uuid4())}")
    assert us.text == ""
    await us.type("ours")
    await us.until(lambda: us.saved == us.sent)
    again = await enter(node, f"token={issuer.access(THEIRS, uuid4(), uuid4())}")
    assert again.text == "theirs alone"
    assert them.text == "theirs alone"


async def test_a_token_of_another_company_renews_nothing(node: Node, issuer: Issuer) -> None:
    user = uuid4()
    us = await enter(node, f"token={issuer.access(OURS, user, uuid4())}")
    for count, (tenant, other) in enumerate(((THEIRS, user), (OURS, uuid4())), 1):
        await us.tell({"type": "auth", "token": issuer.access(tenant, other, uuid4())})
        await us.until(lambda count=count: len(us.told_of("error")) == count)  # type: ignore[misc]
    assert {(told["code"], told["message"]) for told in us.told_of("error")} == {
        ("token_refused", "token is for another user or room")
    }
    await us.type("still ours")
    await us.until(lambda: us.saved == us.sent)
