"""JSON code over real WebSockets."""

from __future__ import annotations

from typing import Any

from collab_core.application import Application
from collab_core.room import Room
from edge.live.json.versions import version_of
from tests.collab_core.client import BINARY, Client
from tests.collab_core.live import Live, live, on_uvloop
from tests.edge.live.json.scene import CodeApplication


def code(room: Room) -> Application:
    return CodeApplication(room)


async def enter(server: Live, user: str) -> Client:
    client = await server.client()
    await client.upgrade(f"/acme/room?user={user}", subprotocol="dojo.json.v1")
    client.read()
    await client.until(lambda: client.told_of("CODE_UPDATE"))
    return client


async def answer_to(client: Client, message: dict[str, Any]) -> dict[str, Any]:
    await client.tell({"type": "CODE_UPDATE", **message})
    await client.until(lambda: acknowledged(client, message["seq"]))
    return acknowledged(client, message["seq"])[0]


def acknowledged(client: Client, seq: int) -> list[dict[str, Any]]:
    return [told for told in client.told if told.get("ackSeq") == seq]


@on_uvloop
async def test_two_phones_type_in_one_file() -> None:
    async with live() as server:
        server.hub._applications = code
        ana, ben = await enter(server, "ana"), await enter(server, "ben")
        told = await answer_to(ana, {"seq": 1, "baseVersion": version_of(""), "content": "one\n"})
        assert told["version"] == version_of("one\n")
        await ben.until(lambda: ben.told[-1].get("version") == version_of("one\n"))
        assert ben.told[-1]["content"] == "one\n"
        told = await answer_to(ben, {"seq": 1, "baseVersion": version_of("one\n"), "content": "one\ntwo\n"})
        await ana.until(lambda: ana.told[-1].get("version") == told["version"])
        assert server.room().view.text("file/main.py") == "one\ntwo\n"
        await ana.until(lambda: {"type": "SAVED", "seq": 1} in ana.told)
        await ben.until(lambda: {"type": "SAVED", "seq": 1} in ben.told)


@on_uvloop
async def test_a_binary_frame_ends_it() -> None:
    async with live() as server:
        server.hub._applications = code
        ana = await enter(server, "ana")
        await ana.send(b"\x00\x00\x01\x00", BINARY)
        await ana.until(lambda: ana.closed)
        assert ana.closed is not None
        assert ana.closed.code == 4400
