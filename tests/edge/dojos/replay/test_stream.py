from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from collab_core.journal.port import Entry
from collab_core.opening import fold
from edge.dojos.replay import keyframes, stream
from edge.dojos.replay.edits import Edit
from edge.dojos.replay.keyframes import extend
from kernel.database import tenant_scope
from loadtests.keystrokes import scripts
from loadtests.trace import TRACES, load
from tests.edge.dojos.past_dojo import PastDojo, instant
from tests.edge.dojos.replay.test_edits import made
from tests.edge.dojos.replay.test_player import session
from tests.edge.dojos.replay.writing import ANA, BOB, NOON_MS

OPENS_SECONDS = 0.4
"""Any point of a long session is there within this: 0.1 on a machine that does nothing else, which the benchmark
measures."""


async def lines(past: PastDojo, query: str = "") -> list[dict[str, Any]]:
    """All lines of a replay; each has a type, and the last one is the end."""
    return [line async for line in reading(past, query)]


async def reading(past: PastDojo, query: str = "") -> AsyncIterator[dict[str, Any]]:
    async with past.api.reading(past.room + "/replay" + query, past.bob) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.content_type == "application/x-ndjson"
        async for line in answer.content:
            yield msgspec.json.decode(line)


def shown(read: list[dict[str, Any]]) -> dict[str, str]:
    """What a player shows at the end; at each keyframe it must show just that."""
    texts: dict[str, str] = {}
    begun = False
    for line in read:
        if line["type"] == "keyframe":
            assert not begun or texts == line["files"]
            texts, begun = dict(line["files"]), True
        elif line["type"] == "change":
            assert begun
            edits = [msgspec.convert(edit, Edit) for edit in line["edits"]]
            texts[line["file"]] = made(texts.get(line["file"], ""), edits)
    return texts


def by_people(past: PastDojo, entries: list[Entry]) -> list[Entry]:
    """The entries as Ana's and Bob's of this dojo."""
    users = {ANA: past.ana.user, BOB: past.bob.user}
    return [entry._replace(author=users[entry.author]) for entry in entries]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyframes, "SEGMENT_ENTRIES", 50)
    monkeypatch.setattr(stream, "KEYFRAME_CHANGES", 60)


async def test_a_player_sees_what_was_typed_by_whom(past: PastDojo) -> None:
    ana, bob = past.writers()
    first = ana.type(NOON_MS, 0, "print(1)")
    bob.hear(first)
    await past.write([ana.describe(NOON_MS, "main.py", "python", 0), first, bob.type(NOON_MS + 900, 6, "😀")])
    read = await lines(past, f"?from={instant(NOON_MS - 1)}")
    header = read[0]
    assert (header["type"], header["format"], header["complete"]) == ("header", "dojo-replay/1", True)
    assert (header["dojoId"], header["roomId"]) == (past.made["dojoId"], past.room_id)
    assert {person["userName"]: person["userId"] for person in header["people"]} == {
        "Ana Souza": str(past.ana.user),
        "Bob Lima": str(past.bob.user),
    }
    assert read[1:] == [
        {"type": "keyframe", "at": NOON_MS - 1, "files": {}},
        {
            "type": "change",
            "at": NOON_MS,
            "userId": str(past.ana.user),
            "file": "main.py",
            "edits": [{"from": 0, "to": 0, "insert": "print(1)"}],
        },
        {
            "type": "change",
            "at": NOON_MS + 900,
            "userId": str(past.bob.user),
            "file": "main.py",
            "edits": [{"from": 6, "to": 6, "insert": "😀"}],
        },
        {"type": "end", "changes": 2},
    ]


async def test_an_empty_room_has_an_empty_replay(past: PastDojo) -> None:
    read = await lines(past)
    assert [line["type"] for line in read] == ["header", "keyframe", "end"]


@pytest.mark.parametrize("from_ms", [NOON_MS - 1, NOON_MS + 130, NOON_MS + 10**6])
async def test_from_any_moment_it_ends_with_the_text(past: PastDojo, from_ms: int) -> None:
    entries, text = session(5, 300)
    await past.write(by_people(past, entries))
    await past.journal.compact(past.key, fold)
    await past.api.everything.execute(
        "UPDATE collab_journal_history SET committed_at = committed_at - interval '1 hour'"
    )
    read = await lines(past, f"?from={instant(from_ms)}")
    assert shown(read)["main.py"] == text
    times = [line["at"] for line in read if "at" in line]
    assert times == sorted(times)
    assert read[-1] == {"type": "end", "changes": sum(line["type"] == "change" for line in read)}
    assert await past.api.everything.fetchval("SELECT count(*) FROM dojo_room_keyframes") >= 4


async def test_a_gap_between_two_nodes_is_closed_on_the_way(past: PastDojo) -> None:
    entries, text = session(6, 60)
    moved = entries[20]._replace(at_ms=NOON_MS + 50)  # a node whose clock is behind took the rest
    await past.write(by_people(past, [*entries[:20], *entries[21:50], moved, *entries[50:]]))
    read = await lines(past, f"?from={instant(NOON_MS + 30)}")
    assert shown(read)["main.py"] == text


async def test_more_replays_than_a_process_plays_at_once_are_told_to_come_back(
    past: PastDojo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AT_ONCE", 0)
    async with past.api.reading(past.room + "/replay", past.ana) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "replay_busy")


async def test_a_long_session_opens_at_any_point_at_once(past: PastDojo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyframes, "SEGMENT_ENTRIES", 2_000)
    monkeypatch.setattr(stream, "KEYFRAME_CHANGES", 2_000)
    trace = load(TRACES / "sveltecomponent.json.gz")
    (script,) = scripts(trace, "file/a.svelte", 1000)
    updates = [stroke.update for stroke in script.keystrokes if stroke.update]
    await past.write([Entry(past.ana.user, NOON_MS + 200 * at, update) for at, update in enumerate(updates)])
    await past.api.everything.execute("UPDATE collab_journal SET committed_at = committed_at - interval '1 hour'")
    await past.journal.compact(past.key, fold)
    async with tenant_scope(past.api.pool, past.ana.tenant) as db:
        assert await extend(db, past.ana.tenant, UUID(past.room_id)) == len(updates) // 2_000
    took = []
    moments = [instant(NOON_MS + 200 * number) for number in (0, 1_999, 2_000, 5_003, 11_111, len(updates) - 1)]
    texts = []
    for at in moments:
        began = time.perf_counter()
        answer = await past.get(f"{past.room}/text?file=a.svelte&at={at}")
        took.append(time.perf_counter() - began)
        texts.append(answer.body["text"])
    assert texts[-1] == trace.end_content
    assert sorted(took)[len(took) // 2] < OPENS_SECONDS
    for at, text in zip(moments, texts, strict=True):
        async for line in reading(past, f"?from={at}"):
            if line["type"] == "keyframe":
                assert line["files"] == {"a.svelte": text}
                break
