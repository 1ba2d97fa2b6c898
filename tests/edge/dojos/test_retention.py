from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from edge.dojos.retention import prune_invitations, turn_chat
from kernel.months import cutoff
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, DojoApi


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_worker"))
    yield connection
    await connection.close()


async def test_chat_lies_in_months_and_goes_with_them(dojos: DojoApi, worker: asyncpg.Connection) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana)
    chat, room = f"{PATH}/{made['dojoId']}/chat", made["rooms"][0]["roomId"]
    year = timedelta(days=365)
    for days, word in ((0, "now"), (200, "in summer"), (400, "long ago")):
        assert (await dojos.ask("POST", chat, {"roomId": room, "content": word}, who=ana)).status == 201
        await dojos.everything.execute(
            "UPDATE dojo_chat_messages SET timestamp = timestamp - $1::interval WHERE message = $2",
            timedelta(days=days),
            word,
        )
    this_month = f"dojo_chat_messages_{datetime.now(UTC):%Y%m}"
    assert await dojos.everything.fetchval(f"SELECT message FROM {this_month}") == "now"
    assert await turn_chat(worker, await cutoff(worker, 2 * year)) == (2, 0)
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojo_chat_messages_default") == 0
    said = [item["content"] for item in (await dojos.get(chat, ana)).body["items"]]
    assert said == ["long ago", "in summer", "now"]
    assert await turn_chat(worker, await cutoff(worker, year)) == (0, 1)
    assert [item["content"] for item in (await dojos.get(chat, ana)).body["items"]] == ["in summer", "now"]


async def test_invitations_go_90_days_after_their_end(dojos: DojoApi, worker: asyncpg.Connection) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    dojo = (await dojos.dojo(ana))["dojoId"]
    for name, expires, accepted, revoked in (
        ("expired", 91, None, None),
        ("used", -1, 91, None),
        ("revoked", -1, None, 91),
        ("expired lately", 89, None, None),
        ("used lately", 89, 90 - 1 / 24, None),
        ("open", -1, None, None),
    ):
        days = [None if each is None else timedelta(days=each) for each in (expires, accepted, revoked)]
        await dojos.everything.execute(
            "INSERT INTO dojo_invitations"
            " (tenant_id, dojo_id, email, token_hash, invited_by, expires_at, accepted_at, revoked_at)"
            " VALUES ($1, $2, $3, $4, $5, now() - $6::interval, now() - $7::interval, now() - $8::interval)",
            ana.tenant,
            dojo,
            name,
            uuid4().bytes,
            ana.user,
            *days,
        )
    assert await prune_invitations(worker) == 3
    assert await prune_invitations(worker) == 0
    rows = await dojos.everything.fetch("SELECT email FROM dojo_invitations ORDER BY email")
    assert [row["email"] for row in rows] == ["expired lately", "open", "used lately"]
