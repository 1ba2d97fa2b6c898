"""The worker's passes as the settings say, in its own role on a real Postgres."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from collab_core.journal.postgres import PostgresJournal
from collab_core.opening import fold
from dojo.settings import DojoSettings, Settings
from dojo.upkeep import Upkeep
from edge.dojos.replay.keyframes import sole
from kernel.blobs.folder import FolderBlobs
from kernel.database import tenant_scope
from tests.conftest import Database
from tests.edge.dojos.hosting import serving_dojos
from tests.edge.dojos.past_dojo import PastDojo, past_dojo
from tests.edge.dojos.test_code import written
from tests.kernel.blobs.leading_out import leading_out

UPKEEP = Upkeep(
    Settings(history_days=90, dojos=DojoSettings(no_show_hours=2, idle_hours=3, chat_days=30)),
    FolderBlobs(Path("never-made")),
)


@pytest.fixture
async def past(database: Database, redis: Redis) -> AsyncIterator[PastDojo]:
    async with serving_dojos(database, redis) as api:
        journal = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
        yield await past_dojo(api, journal)
        await journal.close()


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_worker"))
    yield connection
    await connection.close()


async def test_the_coming_months_are_made_once(
    database: Database, worker: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    owner = await asyncpg.connect(database.dsn("dojo_owner"))
    for (name,) in await owner.fetch(
        "SELECT relname FROM pg_class WHERE relname ~ '^(collab_journal_history|dojo_chat_messages)_[0-9]{6}$'"
        " AND relkind = 'r'"
    ):
        await owner.execute(f"DROP TABLE {name}")
    await owner.close()
    with caplog.at_level(logging.INFO):
        assert await UPKEEP.turn_months(worker) is False
        assert await UPKEEP.turn_months(worker) is False
    assert caplog.messages == [
        "chat: 4 months made, 0 dropped",
        "history: 4 months made, 0 dropped",
        "chat: 0 months made, 0 dropped",
        "history: 0 months made, 0 dropped",
    ]


async def test_history_is_cut_when_every_room_can_be_replayed_without_it(
    past: PastDojo, worker: asyncpg.Connection
) -> None:
    await written(past)
    await past.journal.compact(past.key, fold)
    everything = past.api.everything
    for table, column in (("collab_journal_history", "committed_at"), ("dojo_rooms", "created_at")):
        await everything.execute(f"UPDATE {table} SET {column} = {column} - $1::interval", timedelta(days=200))
    count = "SELECT count(*) FROM collab_journal_history"
    async with tenant_scope(past.api.pool, past.ana.tenant) as db:
        assert await sole(db, past.ana.tenant, UUID(past.room_id))
        assert await UPKEEP.turn_months(worker) is False, "somebody else is at it: the next round is soon enough"
    assert await everything.fetchval(count) == 1
    assert await UPKEEP.turn_months(worker) is True
    assert await everything.fetchval(count) == 1
    assert await UPKEEP.turn_months(worker) is False
    assert await everything.fetchval(count) == 0
    assert await everything.fetchval("SELECT rows FROM dojo_room_keyframes") == 1


async def test_dojos_end_and_are_made_ready_for_looking_back(past: PastDojo, worker: asyncpg.Connection) -> None:
    await written(past)
    everything = past.api.everything
    for table, column in (("collab_journal", "committed_at"), ("dojos", "started_at")):
        await everything.execute(f"UPDATE {table} SET {column} = {column} - $1::interval", timedelta(hours=3.1))
    assert await UPKEEP.end_dojos(worker) is False
    assert (await past.get(past.dojo)).body["status"] == "COMPLETED"
    assert await UPKEEP.keep_ended(worker) is False, "it may not be settled yet"
    await everything.execute("UPDATE dojo_rooms SET ended_at = ended_at - interval '2 minutes'")
    assert await UPKEEP.keep_ended(worker) is True
    assert await UPKEEP.keep_ended(worker) is False
    assert await everything.fetchval("SELECT sum(typed) FROM dojo_typed") == 10


async def test_what_has_expired_goes(past: PastDojo, worker: asyncpg.Connection) -> None:
    await past.post(past.dojo + "/invitations", {"email": "bia@example.com"})
    await past.api.everything.execute("UPDATE dojo_invitations SET expires_at = now() - interval '91 days'")
    await UPKEEP.prune(worker)
    assert await past.api.everything.fetchval("SELECT count(*) FROM dojo_invitations") == 0
    assert await UPKEEP.erase(worker) is False


async def test_a_company_ends_with_its_blobs_and_another_keeps_its_own(
    past: PastDojo, worker: asyncpg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    upkeep, everything = Upkeep(Settings(), blobs), past.api.everything
    acme, globex, initech = past.ana.tenant, *[await past.api.company(name) for name in ("Globex", "Initech")]
    for tenant in (acme, globex, initech):
        for key in ("dojo/room/recording/part/1-00000.opus", "dojo/room/recording/part/1.json", "film.webm"):
            await blobs.put(f"{tenant}/{key}", b"x")
    asked = "UPDATE tenants SET status = 'ERASING', updated_at = now() - interval '25 hours' WHERE tenant_id = ANY($1)"
    await everything.execute(asked, [acme, globex])
    with leading_out(tmp_path / "blobs" / str(acme), tmp_path / "out"):
        assert await upkeep.erase(worker) is False
    assert f"tenant {acme} was not erased" in caplog.text
    assert {UUID(key.split("/")[0]) async for key in blobs.list("")} == {acme, initech}
    known = "SELECT tenant_id FROM tenants WHERE tenant_id = ANY($1)"
    left = {row[0] for row in await everything.fetch(known, [acme, globex, initech])}
    assert left == {acme, initech}, "as long as it has blobs somebody knows of it"
    assert await everything.fetchval("SELECT count(*) FROM users WHERE tenant_id = $1", acme) > 0
    await upkeep.erase(worker)
    assert {UUID(key.split("/")[0]) async for key in blobs.list("")} == {initech}
    assert {row[0] for row in await everything.fetch(known, [acme, globex, initech])} == {initech}
    await upkeep.erase(worker)


async def test_recordings_are_kept_for_the_days_that_are_set(
    past: PastDojo, worker: asyncpg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blobs = FolderBlobs(tmp_path)
    recording = f"{past.ana.tenant}/{past.room_id}/{past.room_id}/{past.room_id}"
    for days in (6, 8):
        await blobs.put(f"{recording}/{days}/1-00000.opus", b"x")
        kept_at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(tmp_path / recording / str(days) / "1-00000.opus", (kept_at, kept_at))
    assert await Upkeep(Settings(), blobs).sweep_recordings(worker) is False
    assert len([key async for key in blobs.list("")]) == 2
    with caplog.at_level(logging.INFO):
        await Upkeep(Settings(dojos=DojoSettings(recording_days=7)), blobs).sweep_recordings(worker)
    assert "1 files of recordings deleted" in caplog.text
    assert [key async for key in blobs.list("")] == [f"{recording}/6/1-00000.opus"]
