"""One dojo on two live nodes: people, cursors, chat and JSON edits reach everybody, and a node may die."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Final

import pytest

from tests.collab_core.client import Client
from tests.edge.dojos.hosting import Someone
from tests.edge.live.people import V1, Class, Message, told

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHAT_SECONDS: Final = 1.0
"""Node to node; 5 to 15 ms on a quiet machine. A look without a bell takes seconds."""


def connected(message: Message) -> dict[str, bool]:
    return {person["userName"]: person["connected"] for person in message["participants"]}


async def listed(client: Client, people: dict[str, bool]) -> Message:
    """Until the last list says so."""
    await client.until(lambda: connected(client.told_of("PARTICIPANT_LIST")[-1]) == people)
    return client.told_of("PARTICIPANT_LIST")[-1]


async def code(client: Client) -> Message:
    """The main file as a newcomer gets it."""
    return await told(client, "CODE_UPDATE")


def typed(version: str, content: str) -> Message:
    return {"type": "CODE_UPDATE", "baseVersion": version, "seq": 1, "content": content}


async def test_everybody_is_listed_and_who_moves_has_not_left(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    async with kata.another_node() as second:
        host = await kata.seated(ana, dojo)
        thin = await kata.seated(ben, dojo, node=second)
        both = {"Ana Host": True, "Ben Member": True}
        for client in (host, thin):
            roles = {person["userName"]: person["isHost"] for person in (await listed(client, both))["participants"]}
            assert roles == {"Ana Host": True, "Ben Member": False}
        moved = await kata.seated(ana, dojo, V1, node=second)
        before = len(thin.told_of("PARTICIPANT_LIST"))
        await host.end()
        await moved.tell({"type": "CHAT_MESSAGE", "content": "here I am"})
        await told(thin, "CHAT_MESSAGE")
        await thin.end()
        await listed(moved, {"Ana Host": True, "Ben Member": False})
        assert all(connected(each)["Ana Host"] for each in thin.told_of("PARTICIPANT_LIST")[before:])


async def test_chat_and_cursors_reach_the_other_node(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    async with kata.another_node() as second:
        host = await kata.seated(ana, dojo)
        thin = await kata.seated(ben, dojo, node=second)
        took = []
        for count in range(1, 6):
            started = time.monotonic()
            await host.tell({"type": "CHAT_MESSAGE", "content": f"number {count}"})
            await thin.until(partial(_has_read, thin, count))
            took.append(time.monotonic() - started)
        assert statistics.median(took) < CHAT_SECONDS, took
        await host.tell(typed((await code(host))["version"], "some text"))
        await told(thin, "CODE_UPDATE", lambda m: m["userId"] == str(ana.user))
        await host.tell({"type": "CURSOR_POSITION", "position": {"line": 0, "column": 4}})
        seen = await told(thin, "CURSORS", lambda m: m["cursors"][0]["position"] == {"line": 0, "column": 4})
        assert [cursor["userId"] for cursor in seen["cursors"]] == [str(ana.user)]


def _has_read(client: Client, count: int) -> bool:
    return len(client.told_of("CHAT_MESSAGE")) == count


async def test_an_edit_is_made_once_though_the_node_that_took_it_dies(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    async with kata.another_node() as second:
        thin = await kata.seated(ben, dojo)
        edit = typed((await code(thin))["version"], "ana's\n")
        async with kata.another_node() as doomed:
            host = await kata.seated(ana, dojo, node=doomed)
            await host.tell(edit)
            seen = await told(thin, "CODE_UPDATE", lambda m: m["userId"] == str(ana.user))
            await doomed.child.kill()
        await thin.tell(typed(seen["version"], "ben's\nana's\n"))
        await told(thin, "SAVED")
        again = await kata.seated(ana, dojo, node=second)
        await again.tell(edit)
        await told(again, "CODE_UPDATE", lambda m: m.get("ackSeq") == 1)
        await told(again, "SAVED", lambda m: m["seq"] == 1)
        assert again.told_of("ERROR") == []
        newcomer = await kata.seated(ben, dojo, node=second)
        assert (await code(newcomer))["content"] == "ben's\nana's\n"
