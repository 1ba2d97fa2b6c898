from __future__ import annotations

from uuid import uuid4

import pytest
from pycrdt import Map

from collab_core.opening import fold
from tests.edge.dojos.past_dojo import PastDojo, instant
from tests.edge.dojos.replay.writing import NOON_MS


async def written(past: PastDojo) -> None:
    """Ana begins, Bob goes on a second later, and adds a file."""
    ana, bob = past.writers()
    described = ana.describe(NOON_MS, "main.py", "python", 0)
    first = ana.type(NOON_MS, 0, "print(1)")
    bob.hear(described, first)
    await past.write([described, first, bob.type(NOON_MS + 1000, 6, "é"), bob.type(NOON_MS + 2000, 0, "x", "z.py")])


async def test_files_now_and_then(past: PastDojo) -> None:
    assert (await past.get(past.room + "/files")).body == {"files": []}
    await written(past)
    main = {"path": "main.py", "language": "python", "order": 0.0, "size": 9}
    z = {"path": "z.py", "language": None, "order": None, "size": 1}
    assert (await past.get(past.room + "/files")).body == {"files": [main, z]}
    then = (await past.get(f"{past.room}/files?at={instant(NOON_MS)}")).body
    assert then == {"files": [{**main, "size": 8}]}


async def test_the_text_of_a_file_now_and_then(past: PastDojo) -> None:
    await written(past)
    path = past.room + "/text?file=main.py"
    assert (await past.get(path)).body == {"file": "main.py", "text": "print(é1)", "language": "python", "at": None}
    for at, text in ((NOON_MS, "print(1)"), (NOON_MS + 999, "print(1)"), (NOON_MS + 1000, "print(é1)")):
        assert (await past.get(f"{path}&at={instant(at)}")).body["text"] == text
    assert (await past.get(f"{path}&at={instant(NOON_MS - 1)}")).status == 404
    assert (await past.get(f"{past.room}/text?file=nothing.py")).status == 404
    assert (await past.get(f"{past.room}/text?file=z.py", past.bob)).body["text"] == "x"


async def test_a_file_that_nobody_has_typed_in_yet_is_empty(past: PastDojo) -> None:
    ana, _ = past.writers()
    await past.write([ana.describe(NOON_MS, "main.py", "python", 0), ana.type(NOON_MS + 1000, 0, "x")])
    path = f"{past.room}/text?file=main.py"
    answer = await past.get(f"{path}&at={instant(NOON_MS)}")
    assert (answer.status, answer.body["text"], answer.body["language"]) == (200, "", "python")
    assert (await past.get(f"{path}&at={instant(NOON_MS + 1000)}")).body["text"] == "x"
    assert (await past.get(f"{path}&at={instant(NOON_MS - 1)}")).status == 404


async def test_a_file_goes_with_its_entry_and_its_text(past: PastDojo) -> None:
    ana, _ = past.writers()
    typed = [ana.describe(NOON_MS, "a.py", "python", 0), ana.type(NOON_MS, 0, "x", "a.py")]
    left = ana.change(NOON_MS + 1000, lambda doc: doc.get("files", type=Map).pop("a.py"))
    await past.write([*typed, left, ana.delete(NOON_MS + 2000, 0, 1, "a.py")])
    path, text = f"{past.room}/files", f"{past.room}/text?file=a.py"
    for at in (NOON_MS, NOON_MS + 1000):
        (file,) = (await past.get(f"{path}?at={instant(at)}")).body["files"]
        assert (file["path"], file["size"]) == ("a.py", 1)
        assert (await past.get(f"{text}&at={instant(at)}")).body["text"] == "x"
    assert (await past.get(path)).body == {"files": []}
    assert (await past.get(text)).status == 404


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00%2B14:00"])
async def test_a_moment_that_is_none_is_said(past: PastDojo, at: str) -> None:
    answer = await past.get(f"{past.room}/text?file=main.py&at={at}")
    assert (answer.status, answer.code) == (400, "invalid_query")


async def test_what_the_retention_dropped_is_gone_and_the_present_is_not(past: PastDojo) -> None:
    await written(past)
    await past.journal.compact(past.key, fold)
    await past.api.everything.execute("DELETE FROM collab_journal_history")
    answer = await past.get(f"{past.room}/text?file=main.py&at={instant(NOON_MS)}")
    assert (answer.status, answer.code, answer.body["replayableFrom"]) == (410, "history_dropped", None)
    assert (await past.get(past.room + "/replay")).code == "history_dropped"
    assert (await past.get(f"{past.room}/text?file=main.py")).body["text"] == "print(é1)"


async def test_a_room_of_nobody_and_of_somebody_else_is_not_found(past: PastDojo) -> None:
    await written(past)
    for what in ("files", "text?file=main.py", "replay", "snapshots"):
        assert (await past.get(f"{past.dojo}/rooms/{uuid4()}/{what}")).status == 404
        assert (await past.get(f"{past.room}/{what}", past.eve)).status == 404
    other = await past.api.dojo(past.ana)
    assert (await past.get(f"/api/v1/dojos/{other['dojoId']}/rooms/{past.room_id}/files")).status == 404
