"""Cursors between stock Yjs clients and clients without a document, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from edge.live.colors import color_of
from tests.collab_core.client import DEADLINE_SECONDS
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import Class, eventually, told
from tests.peers import NodePeers

pytestmark = pytest.mark.asyncio(loop_scope="package")

ROOT = "file/main.py"
TEXT = "# 😀 é\nprint(1)\n"


@pytest_asyncio.fixture(loop_scope="package")
async def peers() -> AsyncIterator[NodePeers]:
    async with NodePeers() as running:
        yield running
        assert await running.faults() == []


async def test_everyone_sees_everyones_cursor(kata: Class, ana: Someone, ben: Someone, peers: NodePeers) -> None:
    dojo = await kata.api.dojo(ana, initialCode=TEXT)
    thin = await kata.seated(ben, dojo)
    editor = await peers.open(
        f"ws://127.0.0.1:{kata.node.port}", "", ana.token, at=f"{PATH.lstrip('/')}/{dojo['dojoId']}/live"
    )
    await editor.wait_text(TEXT, ROOT, DEADLINE_SECONDS)

    # From the editor to the client without a document.
    cursor = {"anchor": await editor.relative_position(ROOT, 5), "head": await editor.relative_position(ROOT, 12)}
    await editor.set_presence({"user": {"name": "Ana"}, "cursor": cursor})
    moved = await told(thin, "CURSORS", lambda message: message["cursors"][0]["userId"] == str(ana.user))
    assert moved["cursors"] == [
        {
            "userId": str(ana.user),
            "file": "main.py",
            "position": {"line": 1, "column": 5},
            "selection": {"start": {"line": 0, "column": 5}, "end": {"line": 1, "column": 5}},
        }
    ]

    # And back.
    selection = {"start": {"line": 0, "column": 2}, "end": {"line": 1, "column": 1}}
    await thin.tell({"type": "CURSOR_POSITION", "position": {"line": 1, "column": 1}, "selection": selection})

    async def shown() -> list[dict[str, Any]]:
        states = [each.state for each in await editor.presence() if each.client != editor.client_id]
        return [state for state in states if state is not None and "cursor" in state]

    await eventually(shown)
    [state] = await shown()
    assert state["user"] == {"name": "Ben Member", "color": color_of(ben.user), "userId": str(ben.user)}
    assert state["file"] == "main.py"
    assert await editor.index_of(state["cursor"]["anchor"]) == 2
    assert await editor.index_of(state["cursor"]["head"]) == 8
    await editor.insert(0, "é", ROOT)
    assert await editor.index_of(state["cursor"]["head"]) == 9

    # It goes with its owner.
    await thin.end()

    async def gone() -> bool:
        return not await shown()

    await eventually(gone)


async def test_a_cursor_of_an_editor_stands_in_the_list_of_who_comes_later(
    kata: Class, ana: Someone, ben: Someone, peers: NodePeers
) -> None:
    dojo = await kata.api.dojo(ana, initialCode=TEXT)
    first = await kata.seated(ben, dojo)
    editor = await peers.open(
        f"ws://127.0.0.1:{kata.node.port}", "", ana.token, at=f"{PATH.lstrip('/')}/{dojo['dojoId']}/live"
    )
    await editor.wait_text(TEXT, ROOT, DEADLINE_SECONDS)
    end = await editor.relative_position(ROOT, len(TEXT) + 1)
    await editor.set_presence({"cursor": {"anchor": end, "head": end}})
    await told(first, "CURSORS")
    later = await kata.seated(ben, dojo)
    listed = await told(later, "PARTICIPANT_LIST")
    assert [p["cursorPosition"] for p in listed["participants"] if p["userId"] == str(ana.user)] == [
        {"line": 2, "column": 0}
    ]


async def test_files_that_come_go_and_change_places_are_told(
    kata: Class, ana: Someone, ben: Someone, peers: NodePeers
) -> None:
    dojo = await kata.api.dojo(ana, initialCode=TEXT, language="python")
    thin = await kata.seated(ben, dojo)
    editor = await peers.open(
        f"ws://127.0.0.1:{kata.node.port}", "", ana.token, at=f"{PATH.lstrip('/')}/{dojo['dojoId']}/live"
    )
    await editor.wait_text(TEXT, ROOT, DEADLINE_SECONDS)

    async def listed(*paths: str) -> None:
        await thin.until(lambda: [file["path"] for file in thin.told_of("FILES")[-1]["files"]] == list(paths))

    await listed("main.py")
    assert thin.told_of("FILES")[-1]["files"] == [{"path": "main.py", "language": "python"}]
    await editor.call("map", "files", "set", "a.js", {"language": "js", "order": 9})
    await listed("main.py", "a.js")
    assert (await told(thin, "CODE_UPDATE", lambda message: message["file"] == "a.js"))["content"] == ""
    await editor.call("map", "files", "set", "a.js", {"language": "js", "order": -9})
    await listed("a.js", "main.py")
    await editor.call("map", "files", "delete", "a.js")
    await listed("main.py")
