from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from edge.identity import outbox
from edge.identity.delivery import BATCH, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, Delivery, retry_seconds
from edge.identity.mail.port import Mail
from edge.identity.mail.smtp import SmtpMailer, SmtpServer
from kernel.database import create_pool, scope
from kernel.secrets import MasterKeys
from tests.conftest import Database
from tests.edge.identity.mail.post_office import PostOffice, post_office

KEYS = MasterKeys([bytes(32)])
ADDRESS = "ana@example.com"


class Sending:
    """An outbox that is filled by the services' role and emptied by the worker's, into a real SMTP server."""

    def __init__(self, service: Any, worker: Any, everything: Any, office: PostOffice) -> None:
        self._service = service
        self.worker = worker
        self.everything = everything
        self.office = office
        self.delivery = self.with_keys(KEYS)

    def with_keys(self, keys: MasterKeys) -> Delivery:
        server = SmtpServer(host="127.0.0.1", port=self.office.port, encryption="none", sender="dojo@example.com")
        return Delivery(self.worker, keys, SmtpMailer(server))

    async def put(self, number: int = 1) -> None:
        async with scope(self._service) as db:
            for n in range(number):
                await outbox.put(db, KEYS, Mail(ADDRESS, f"Mail {n}", "Its token: secret-of-the-mail\n"))

    async def waiting(self) -> list[dict[str, Any]]:
        rows = await self.everything.fetch(
            "SELECT mail_id, attempts, extract(epoch FROM due_at - now())::float AS seconds FROM mail_outbox"
        )
        return [dict(row) for row in rows]

    async def come_due(self) -> None:
        await self.everything.execute("UPDATE mail_outbox SET due_at = now()")

    def subjects(self) -> list[str]:
        return sorted(str(message["Subject"]) for message in self.office.messages())


@pytest.fixture
async def sending(database: Database) -> AsyncIterator[Sending]:
    service, worker, everything = [
        await create_pool(database.dsn(role), name="test", statement_seconds=5, max_size=8)
        for role in ("dojo_service", "dojo_worker", "postgres")
    ]
    async with post_office() as office:
        yield Sending(service, worker, everything, office)
    for pool in (service, worker, everything):
        await pool.close()


async def test_a_mail_is_handed_over_and_gone(sending: Sending, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await sending.put()
    assert await sending.delivery.deliver() == 1
    assert sending.subjects() == ["Mail 0"]
    assert await sending.waiting() == []
    assert await sending.delivery.deliver() == 0
    said = [record.getMessage() for record in caplog.records if record.name != "mail.log"]  # the other server's log
    assert any("handed over" in line for line in said)
    assert not any(ADDRESS in line or "secret-of-the-mail" in line for line in said)


async def test_batches_are_bounded_and_workers_share_them(sending: Sending) -> None:
    await sending.put(BATCH + 5)
    taken = await asyncio.gather(sending.delivery.deliver(), sending.with_keys(KEYS).deliver())
    assert sorted(taken) == [5, BATCH]
    assert sending.subjects() == sorted(f"Mail {n}" for n in range(BATCH + 5))
    assert await sending.waiting() == []


async def test_while_the_server_is_away_a_mail_waits_longer_each_time(
    sending: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    sending.office.answers["MAIL"] = "451 4.3.0 later"
    await sending.put()
    for attempts, pause in ((1, FIRST_RETRY_SECONDS), (2, 2 * FIRST_RETRY_SECONDS)):
        assert await sending.delivery.deliver() == 1
        (mail,) = await sending.waiting()
        assert mail["attempts"] == attempts
        assert 0.6 * pause < mail["seconds"] < 1.3 * pause
        assert await sending.delivery.deliver() == 0  # not before it is due
        await sending.come_due()
    sending.office.answers.clear()
    assert await sending.delivery.deliver() == 1
    assert sending.subjects() == ["Mail 0"]
    assert ADDRESS not in caplog.text


async def test_what_the_server_refuses_for_good_is_dropped(sending: Sending, caplog: pytest.LogCaptureFixture) -> None:
    sending.office.answers["RCPT"] = f"550 5.1.1 no such {ADDRESS}"
    await sending.put()
    await sending.delivery.deliver()
    assert await sending.waiting() == []
    assert "550 5.1.1" in caplog.text
    assert ADDRESS not in caplog.text


async def test_after_a_day_a_mail_is_given_up_loudly(sending: Sending, caplog: pytest.LogCaptureFixture) -> None:
    sending.office.answers["DATA"] = "452 4.3.1 full"
    await sending.put(2)
    (old, young) = await sending.waiting()
    await sending.everything.execute(
        "UPDATE mail_outbox SET created_at = $2 WHERE mail_id = $1",
        old["mail_id"],
        datetime.now(UTC) - timedelta(hours=24, seconds=1),
    )
    await sending.delivery.deliver()
    assert [mail["mail_id"] for mail in await sending.waiting()] == [young["mail_id"]]
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.getMessage().startswith(f"MAIL GIVEN UP: {old['mail_id']}")
    assert ADDRESS not in caplog.text


async def test_one_that_does_not_open_waits_for_its_key_and_keeps_no_other(
    sending: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    await sending.put(2)
    first = (await sending.waiting())[0]["mail_id"]
    other_row = b"of another row"
    await sending.everything.execute(
        "UPDATE mail_outbox SET sealed = $2 WHERE mail_id = $1",
        first,
        outbox.seal(KEYS, UUID(int=1), Mail(ADDRESS, "x", other_row.decode())),
    )
    assert await sending.delivery.deliver() == 2
    assert len(sending.office.envelopes) == 1
    assert [mail["mail_id"] for mail in await sending.waiting()] == [first]
    await sending.come_due()
    await sending.with_keys(MasterKeys([bytes([1] * 32)])).deliver()
    assert len(await sending.waiting()) == 1
    assert "not among those configured" in caplog.text


async def test_a_mail_whose_worker_died_is_due_again(sending: Sending) -> None:
    entered = asyncio.Event()

    class Dying:
        async def send(self, mail: Mail) -> None:
            entered.set()
            await asyncio.Event().wait()

    await sending.put()
    dying = asyncio.create_task(Delivery(sending.worker, KEYS, Dying()).deliver())
    await asyncio.wait_for(entered.wait(), 10)
    assert await sending.delivery.deliver() == 0  # it is being sent, as far as anybody knows
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    (mail,) = await sending.waiting()
    assert 0 < mail["seconds"] <= 300
    await sending.come_due()
    assert await sending.delivery.deliver() == 1
    assert sending.subjects() == ["Mail 0"]


async def test_what_nobody_foresaw_keeps_neither_the_others_nor_itself(
    sending: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        async def send(self, mail: Mail) -> None:
            if mail.subject == "Mail 0":
                raise LookupError(mail.to)

    await sending.put(3)
    await Delivery(sending.worker, KEYS, Odd()).deliver()
    assert len(await sending.waiting()) == 1
    assert "LookupError" in caplog.text
    assert ADDRESS not in caplog.text


async def test_the_services_cannot_read_the_outbox_nor_the_worker_anything_of_people(sending: Sending) -> None:
    await sending.put()
    async with scope(sending._service) as db:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.fetch("SELECT * FROM mail_outbox")
    for table in ("users", "identities", "tenants", "sessions", "audit_log", "dojo_chat_messages"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sending.worker.fetch(f"SELECT * FROM {table}")


READABLE = {
    "mail_outbox": None,
    # What a room was, for keyframes, last snapshots and who typed how much.
    "collab_base": None,
    "collab_journal": None,
    "collab_journal_history": None,
    "collab_owners": None,
    "dojo_room_keyframes": None,
    "dojo_code_snapshots": None,
    "dojo_typed": None,
    # What dojos that nobody looks after are ended by.
    "dojos": {"tenant_id", "dojo_id", "status"},
    "dojo_rooms": None,
    "dojo_room_participants": None,
    "dojo_invitations": {"tenant_id", "dojo_id", "accepted_at", "revoked_at"},
}
"""All that the worker may read: table -> columns, or None for all of them."""


async def test_the_worker_reads_no_more_than_its_work_takes(sending: Sending) -> None:
    columns = await sending.everything.fetch(
        "SELECT c.relname AS table, a.attname AS column, has_column_privilege('dojo_worker', c.oid, a.attnum, 'SELECT')"
        " AS readable FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
    )
    readable = {(row["table"], row["column"]) for row in columns if row["readable"]}
    assert readable == {
        (row["table"], row["column"])
        for row in columns
        if row["table"] in READABLE and row["column"] in (READABLE[row["table"]] or {row["column"]})
    }
    assert {table for table, _ in readable} == set(READABLE)


async def test_the_worker_reads_of_one_tenant_at_a_time(sending: Sending) -> None:
    policies = await sending.everything.fetch(
        "SELECT tablename, qual FROM pg_policies WHERE 'dojo_worker' = ANY(roles) AND cmd IN ('ALL', 'SELECT')"
    )
    by_tenant = {row["tablename"] for row in policies if "app.tenant" in row["qual"]}
    assert {row["tablename"] for row in policies} - by_tenant == {"mail_outbox"}
    assert set(READABLE) - {"mail_outbox"} <= by_tenant


def test_pauses_grow_to_a_bound() -> None:
    pauses = [retry_seconds(attempts) for attempts in range(1, 200)]
    assert pauses[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_RETRY_SECONDS
