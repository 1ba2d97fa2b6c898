"""pycrdt's provider, the Python client of the same protocol, together with Yjs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from pycrdt import Channel, Doc, Map, Provider, Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.peers import WAIT_SECONDS, NodePeers
from tests.running import RunningDojo


class _WebSocketChannel(Channel):
    """A `websockets` connection as pycrdt's provider wants it."""

    def __init__(self, socket: ClientConnection, path: str) -> None:
        self._socket = socket
        self._path = path

    @property
    def path(self) -> str:
        return self._path

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def send(self, message: bytes) -> None:
        await self._socket.send(message)

    async def recv(self) -> bytes:
        return await self._socket.recv(decode=False)


@asynccontextmanager
async def _provided(doc: Doc[Any], dojo: RunningDojo, room: str, token: str) -> AsyncIterator[None]:
    """Keep `doc` in step with the room, from the first sync on."""
    path = f"/api/v1/rooms/{quote(room, safe='')}/sync"
    async with (
        connect(f"{dojo.live}{path}?token={token}", max_size=None) as socket,
        Provider(doc, _WebSocketChannel(socket, path)) as provider,
    ):
        await asyncio.wait_for(provider.synced.wait(), WAIT_SECONDS)
        yield


async def _until_text(doc: Doc[Any], text: Text, expected: str) -> None:
    """Wait for the document's events until the text is there."""
    changed = asyncio.Event()
    subscription = doc.observe(lambda _event: changed.set())
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while str(text) != expected:
                changed.clear()
                await changed.wait()
    finally:
        doc.unobserve(subscription)


async def test_python_and_yjs_edit_together(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    await ana.insert(0, "from Yjs \U0001f600")
    newcomer = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await newcomer.wait_text("from Yjs \U0001f600")
    doc: Doc[Any] = Doc()
    text: Text = doc.get("text", type=Text)
    async with _provided(doc, dojo, room, await dojo.token(user="python")):
        assert str(text) == "from Yjs \U0001f600"
        text += " and Python"
        await ana.wait_text("from Yjs \U0001f600 and Python")
        await ana.delete(0, 5)
        await _until_text(doc, text, "Yjs \U0001f600 and Python")
        doc.get("map", type=Map)["set"] = "here"
        await ana.wait_content("map", "map", {"set": "here"})
    await peers.wait_equal(ana, newcomer)


async def test_what_python_wrote_offline_reaches_yjs(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    doc: Doc[Any] = Doc()
    text: Text = doc.get("text", type=Text)
    text += "written before the connection"
    async with _provided(doc, dojo, room, await dojo.token(user="python")):
        await ana.wait_text("written before the connection")
    await ana.insert(0, "> ")
    async with _provided(doc, dojo, room, await dojo.token(user="python")):
        await _until_text(doc, text, "> written before the connection")
