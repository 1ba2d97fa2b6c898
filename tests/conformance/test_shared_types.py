"""Text, map, array and XML: what stock clients edit at the same time ends up the same for all, and for newcomers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.peers import NodePeers, Peer, RootKind
from tests.running import RunningDojo


async def _pair(dojo: RunningDojo, peers: NodePeers, room: str) -> tuple[Peer, Peer]:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    return ana, ben


async def _newcomer(dojo: RunningDojo, peers: NodePeers, room: str) -> Peer:
    return await peers.open(dojo.live, room, await dojo.token(user="newcomer"))


async def _all_see(peers: NodePeers, members: Sequence[Peer], newcomer: Peer, kind: RootKind, expected: Any) -> None:
    """The members agree, on `expected`, and the newcomer has it too."""
    await peers.wait_equal(newcomer, *members)
    for peer in (newcomer, *members):
        assert await peer.read(kind, "root") == expected


async def test_text_typed_by_two_at_once(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.insert(0, "[]", root="root")
    await ben.wait_text("[]", root="root")
    await asyncio.gather(ana.type(1, "a" * 100, root="root"), ben.type(1, "b" * 100, root="root"))
    await peers.wait_equal(ana, ben)
    text = await ana.text("root")
    # Each person's letters stay together: they were typed one behind the other.
    assert text in {"[" + "a" * 100 + "b" * 100 + "]", "[" + "b" * 100 + "a" * 100 + "]"}
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "text", text)


async def test_text_beyond_the_basic_plane(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.insert(0, "a\U0001f600b\U0001f469\u200d\U0001f4bbc", root="root")
    await ben.wait_text("a\U0001f600b\U0001f469\u200d\U0001f4bbc", root="root")
    await ben.delete(4, 5, root="root")
    await ben.insert(1, "日本", root="root")
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "text", "a日本\U0001f600bc")


async def test_text_with_formats_and_embeds(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.insert(0, "bold plain", root="root")
    await ben.wait_text("bold plain", root="root")
    await asyncio.gather(
        ana.call("text", "root", "format", 0, 4, {"bold": True}),
        ben.call("text", "root", "insertEmbed", 10, {"image": "x.png"}),
    )
    expected = [
        {"insert": "bold", "attributes": {"bold": True}},
        {"insert": " plain"},
        {"insert": {"image": "x.png"}},
    ]
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "text", expected)


async def test_map_set_and_deleted(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.call("map", "root", "set", "title", "one")
    await ana.call("map", "root", "set", "gone", 1)
    await ben.wait_content("map", "root", {"title": "one", "gone": 1})
    await asyncio.gather(
        ben.call("map", "root", "delete", "gone"),
        ana.call("map", "root", "set", "bytes", {"$bytes": "AAEC"}),
        ben.call("map", "root", "set", "big", {"$bigint": "9007199254740993"}),
        ana.call(
            "map", "root", "set", "nested", {"$type": "map", "content": {"list": {"$type": "array", "content": [1]}}}
        ),
    )
    expected = {
        "title": "one",
        "bytes": {"$bytes": "AAEC"},
        "big": {"$bigint": "9007199254740993"},
        "nested": {"list": [1]},
    }
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "map", expected)


async def test_one_of_two_values_set_at_once_wins_for_all(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await asyncio.gather(ana.call("map", "root", "set", "k", "ana"), ben.call("map", "root", "set", "k", "ben"))
    await peers.wait_equal(ana, ben)
    value = await ana.read("map", "root")
    assert value in ({"k": "ana"}, {"k": "ben"})
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "map", value)


async def test_array_with_nested_types(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.call("array", "root", "insert", 0, [1, None, {"a": [True]}, {"$type": "text", "content": "inner"}])
    await ben.wait_content("array", "root", [1, None, {"a": [True]}, "inner"])
    await asyncio.gather(
        ben.call("array", "root", "insert", 5, "!", path=[3]),
        ana.call("array", "root", "delete", 0, 1),
        ana.call("array", "root", "push", ["end"]),
    )
    await _all_see(
        peers, (ana, ben), await _newcomer(dojo, peers, room), "array", [None, {"a": [True]}, "inner!", "end"]
    )


async def test_xml_tree(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    paragraph = {"$type": "xmlelement", "name": "p", "content": [{"$type": "xmltext", "content": "words"}]}
    await ana.call("xml", "root", "insert", 0, [paragraph, {"$type": "xmlelement", "name": "hr"}])
    await ben.wait_content("xml", "root", "<p>words</p><hr></hr>")
    await asyncio.gather(
        ben.call("xml", "root", "insert", 5, " more", path=[0, 0]),
        ana.call("xml", "root", "setAttribute", "class", "note", path=[0]),
        ana.call("xml", "root", "delete", 1, 1),
    )
    await _all_see(peers, (ana, ben), await _newcomer(dojo, peers, room), "xml", '<p class="note">words more</p>')


async def test_many_roots_in_one_transaction(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana, ben = await _pair(dojo, peers, room)
    await ana.transact(
        [
            {"kind": "text", "root": "file/main.py", "method": "insert", "args": [0, "print()"]},
            {"kind": "map", "root": "é \U0001f600", "method": "set", "args": ["k", 1]},
            {"kind": "array", "root": "", "method": "push", "args": [[1]]},
        ]
    )
    await ben.wait_text("print()", root="file/main.py")
    await ben.wait_content("map", "é \U0001f600", {"k": 1})
    await ben.wait_content("array", "", [1])


@pytest.mark.parametrize("writers", [8])
async def test_several_write_in_the_same_place(dojo: RunningDojo, peers: NodePeers, room: str, writers: int) -> None:
    members = [await peers.open(dojo.live, room, await dojo.token(user=f"writer-{n}")) for n in range(writers)]
    await asyncio.gather(*(member.type(0, str(n) * 50, root="root") for n, member in enumerate(members)))
    await peers.wait_equal(*members)
    text = await members[0].text("root")
    assert sorted(text) == sorted("".join(str(n) * 50 for n in range(writers)))
    await _all_see(peers, members, await _newcomer(dojo, peers, room), "text", text)
