from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from edge.dojos import telling
from edge.dojos.replay.keeping import keep_ended
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.dojos.past_dojo import PastDojo
from tests.edge.dojos.test_code import written


async def told(past: PastDojo, who: Someone) -> dict[str, Any]:
    answer = await past.get("/api/v1/users/me/export", who)
    assert answer.status == 200
    return dict(answer.body["elsewhere"]["dojos"])


async def test_a_person_is_told_what_they_did_in_dojos_and_nothing_of_others(
    past: PastDojo, database: Database
) -> None:
    await written(past)
    await past.api.ask("POST", past.dojo + "/invitations", {"email": past.bob.email}, who=past.ana)
    for what in ("join", "leave", "join"):
        await past.api.put(f"{past.room}/{what}", past.bob)
    for who, word in ((past.ana, "from Ana"), (past.bob, "from Bob")):
        await past.post(past.dojo + "/chat", {"roomId": past.room_id, "content": word}, who)
    other = await past.api.dojo(past.ana, name="Another")
    bob = await told(past, past.bob)
    (dojo,) = bob["dojos"]
    assert (dojo["dojoId"], dojo["role"], dojo["shownName"]) == (past.made["dojoId"], "PARTICIPANT", "Bob Lima")
    (room,) = dojo["rooms"]
    assert (room["typed"], room["deleted"], len(room["stays"])) == (None, None, 2)
    assert [message["message"] for message in bob["messages"]] == ["from Bob"]
    assert [given["email"] for given in bob["invitationsReceived"]] == [past.bob.email]
    assert (bob["invitationsSent"], bob["complete"]) == ([], True)
    assert "Ana" not in str(bob)
    await past.api.put(past.dojo + "/end", past.ana)
    await past.api.everything.execute("UPDATE dojo_rooms SET ended_at = ended_at - interval '1 hour'")
    worker = await asyncpg.connect(database.dsn("dojo_worker"))
    await keep_ended(worker)
    await worker.close()
    (room,) = (await told(past, past.bob))["dojos"][0]["rooms"]
    assert (room["typed"], room["deleted"]) == (2, 0)
    ana = await told(past, past.ana)
    assert {each["dojoId"] for each in ana["dojos"]} == {past.made["dojoId"], other["dojoId"]}
    typed_in = {each["name"]: [room["typed"] for room in each["rooms"]] for each in ana["dojos"]}
    assert typed_in == {"Kata": [8], "Another": []}
    assert [given["email"] for given in ana["invitationsSent"]] == [past.bob.email]


async def test_what_is_too_much_is_said(past: PastDojo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "DOJOS", 1)
    await past.api.ask("POST", PATH, {"name": "Another", "language": "go"}, who=past.ana)
    ana = await told(past, past.ana)
    assert ([each["name"] for each in ana["dojos"]], ana["complete"]) == (["Another"], False)
    assert (await told(past, past.bob))["complete"] is True
