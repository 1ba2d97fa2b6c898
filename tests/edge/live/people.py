"""A dojo as its people meet it: the API, a live node as a process of its own, and sockets of every dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

from dojo.settings import RedisSettings, Settings, VoiceSettings
from kernel.redis import create_client
from tests.collab_core.client import DEADLINE_SECONDS, Client
from tests.conftest import Database
from tests.dojo.test_live_node import Node, running, settings
from tests.edge.dojos.hosting import PATH, DojoApi, Someone, serving_dojos

V1, JSON = "dojo.v1", "dojo.json.v1"
Message = dict[str, Any]


class Class:
    """The API and a live node of one Dojo."""

    def __init__(self, api: DojoApi, node: Node, chosen: Settings) -> None:
        self.api = api
        self.node = node
        self._chosen = chosen

    def another_node(self) -> AbstractAsyncContextManager[Node]:
        """One more live node of the same Dojo."""
        return running(self._chosen)

    async def sit(
        self,
        who: Someone | str,
        dojo: Message,
        dialect: str | None = JSON,
        *,
        node: Node | None = None,
        **query: str,
    ) -> Client:
        """A socket that has upgraded and reads; whether it was let in is another question."""
        token = who if isinstance(who, str) else who.token
        asked = "&".join(f"{name}={value}" for name, value in {"token": token, **query}.items())
        client = await Client.connect((node or self.node).port)
        (node or self.node)._clients.append(client)
        await client.upgrade(f"{PATH}/{dojo['dojoId']}/live?{asked}", subprotocol=dialect)
        client.read()
        return client

    async def seated(self, who: Someone | str, dojo: Message, dialect: str | None = JSON, **query: Any) -> Client:
        """A socket that was let in."""
        client = await self.sit(who, dojo, dialect, **query)
        if dialect is None:
            await client.sync()
        else:
            await told(client, "CONNECTION_STATUS")
            if dialect == V1:
                await client.sync()
        return client

    async def refused(self, who: Someone | str, dojo: Message, dialect: str | None = JSON, **query: Any) -> Any:
        """How a socket was turned away."""
        return await (await self.sit(who, dojo, dialect, **query)).until_closed()


@asynccontextmanager
async def in_class(database: Database, redis_url: str, voice: VoiceSettings | None = None) -> AsyncIterator[Class]:
    chosen = msgspec.structs.replace(
        settings(database), redis=RedisSettings(url=redis_url), voice=voice or VoiceSettings()
    )
    redis = create_client(redis_url)
    try:
        async with serving_dojos(database, redis, voice=voice) as api, running(chosen) as node:
            yield Class(api, node, chosen)
    finally:
        await redis.aclose()


async def told(client: Client, kind: str, where: Callable[[Message], object] = lambda _message: True) -> Message:
    """The first message of this type for which `where` holds; waits for it."""
    found: list[Message] = []

    def there() -> bool:
        found[:] = [message for message in client.told_of(kind) if where(message)]
        return bool(found)

    await client.until(there)
    return found[0]


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until an awaitable condition holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the database's state
            await asyncio.sleep(0.01)


def names(message: Message) -> dict[str, str]:
    """Of a PARTICIPANT_LIST: name -> role."""
    return {person["userName"]: person["role"] for person in message["participants"]}
