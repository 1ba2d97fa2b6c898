from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from edge.dojos import snapshots
from edge.dojos.snapshots import take_all
from kernel.database import tenant_scope
from tests.edge.dojos.past_dojo import PastDojo
from tests.edge.dojos.replay.writing import NOON_MS
from tests.edge.dojos.test_code import written


async def taken(past: PastDojo) -> str:
    answer = await past.post(past.room + "/snapshots", who=past.bob)
    assert answer.status == 201, answer.body
    return str(answer.body["snapshotId"])


async def test_a_snapshot_keeps_the_code(past: PastDojo) -> None:
    await written(past)
    answer = await past.post(past.room + "/snapshots", who=past.bob)
    made = answer.body
    assert (made["reason"], made["userId"], made["roomId"]) == ("DEMAND", str(past.bob.user), past.room_id)
    shown = (await past.get(f"{past.room}/snapshots/{made['snapshotId']}")).body
    assert shown["code"] == {"main.py": "print(é1)", "z.py": "x"}
    assert (await past.get(past.room + "/snapshots")).body["items"] == [made]


async def test_a_snapshot_is_compared_with_now_and_with_another(past: PastDojo) -> None:
    ana, _ = past.writers()
    await past.write([ana.type(NOON_MS, 0, "one\n")])
    first = await taken(past)
    await past.write([ana.type(NOON_MS + 1, 4, "two\n")])
    second = await taken(past)
    changed = {"files": [{"file": "main.py", "change": "CHANGED", "diff": "@@ -1 +1,2 @@\n one\n+two\n"}]}
    assert (await past.get(f"{past.room}/snapshots/{first}/compare")).body == changed
    assert (await past.get(f"{past.room}/snapshots/{first}/compare?with={second}")).body == changed
    assert (await past.get(f"{past.room}/snapshots/{second}/compare")).body == {"files": []}
    assert (await past.get(f"{past.room}/snapshots/{first}/compare?with={uuid4()}")).status == 404


async def test_who_does_not_take_part_takes_no_snapshot(past: PastDojo) -> None:
    carl = await past.api.person(past.ana.tenant, "Carl")
    answer = await past.post(past.room + "/snapshots", who=carl)
    assert (answer.status, answer.code) == (403, "not_participant")
    assert (await past.post(past.room + "/snapshots", who=past.eve)).status == 404


async def test_snapshots_have_a_bound_in_number_and_size(past: PastDojo, monkeypatch: pytest.MonkeyPatch) -> None:
    await written(past)
    monkeypatch.setattr(snapshots, "SNAPSHOTS", 1)
    await taken(past)
    answer = await past.post(past.room + "/snapshots")
    assert (answer.status, answer.code) == (409, "too_many_snapshots")
    monkeypatch.setattr(snapshots, "SNAPSHOTS", 10)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES", 10)
    answer = await past.post(past.room + "/snapshots")
    assert (answer.status, answer.code) == (413, "too_large")


async def test_at_the_end_each_room_has_one(past: PastDojo) -> None:
    await written(past)
    async with tenant_scope(past.api.pool, past.ana.tenant) as db:
        assert await take_all(db, past.ana.tenant, UUID(past.made["dojoId"])) == 1
    (made,) = (await past.get(past.room + "/snapshots")).body["items"]
    assert (made["reason"], made["userId"]) == ("END", None)


async def test_a_room_whose_journal_is_damaged_does_not_keep_a_dojo_from_ending(past: PastDojo) -> None:
    await written(past)
    await past.api.everything.execute("UPDATE collab_journal SET entries = 'damage'")
    assert (await past.api.put(past.dojo + "/end", past.ana)).body["status"] == "COMPLETED"
    assert (await past.get(past.room + "/snapshots")).body["items"] == []


class TestRestoring:
    async def test_the_host_asks_and_is_told_how_far_it_is(self, past: PastDojo) -> None:
        await written(past)
        snapshot = await taken(past)
        answer = await past.post(f"{past.room}/snapshots/{snapshot}/restore")
        assert (answer.status, answer.body["outcome"], answer.body["userId"]) == (202, None, str(past.ana.user))
        assert (await past.get(f"{past.room}/restores/{answer.body['commandId']}", past.bob)).body == answer.body
        later = await past.post(f"{past.room}/snapshots/{snapshot}/restore")
        first = (await past.get(f"{past.room}/restores/{answer.body['commandId']}")).body
        assert (first["outcome"], later.body["outcome"]) == ("SUPERSEDED", None)
        assert (await past.api.audited(past.ana.tenant))[-1] == "dojo.snapshot_restored"
        assert (await past.get(f"{past.room}/restores/{uuid4()}")).status == 404

    async def test_somebody_who_only_takes_part_may_not_but_the_pilot_may(self, past: PastDojo) -> None:
        await written(past)
        restore = f"{past.room}/snapshots/{await taken(past)}/restore"
        answer = await past.post(restore, who=past.bob)
        assert (answer.status, answer.code) == (403, "not_host")
        await past.api.everything.execute(
            "UPDATE dojo_rooms SET turn = jsonb_build_object('pilot', $1::text)", str(past.bob.user)
        )
        assert (await past.post(restore, who=past.bob)).status == 202

    async def test_not_after_the_end(self, past: PastDojo) -> None:
        await written(past)
        restore = f"{past.room}/snapshots/{await taken(past)}/restore"
        await past.api.put(past.dojo + "/end", past.ana)
        answer = await past.post(restore)
        assert (answer.status, answer.code) == (409, "dojo_over")

    async def test_a_snapshot_of_another_room_is_none(self, past: PastDojo) -> None:
        assert (await past.post(f"{past.room}/snapshots/{uuid4()}/restore")).status == 404
