from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from edge.identity import outbox
from edge.identity.mail.port import Mail
from kernel.database import create_pool, scope
from kernel.secrets import MasterKeys, SecretUnreadable
from tests.conftest import Database

KEYS = MasterKeys([bytes(32)])
MAIL = Mail("ana@example.com", "Subject", "Text with a token\n")


async def test_a_mail_is_there_with_its_transaction_or_not_at_all(database: Database) -> None:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)

    async def fail() -> None:
        async with scope(pool) as db:
            await outbox.put(db, KEYS, MAIL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with scope(pool) as db:
        await outbox.put(db, KEYS, MAIL)
        await outbox.put(db, KEYS, MAIL, wanted=False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with scope(pool) as db:  # whoever writes mails reads none
            await db.fetch("SELECT * FROM mail_outbox")
    await pool.close()
    worker = await asyncpg.connect(database.dsn("dojo_worker"))
    (row,) = await worker.fetch("SELECT mail_id, sealed FROM mail_outbox")
    await worker.close()
    assert outbox.unseal(KEYS, row["mail_id"], row["sealed"]) == MAIL


def test_a_mail_opens_as_its_own_row_only() -> None:
    mail_id = uuid4()
    sealed = outbox.seal(KEYS, mail_id, MAIL)
    assert outbox.unseal(KEYS, mail_id, sealed) == MAIL
    assert b"token" not in sealed
    with pytest.raises(SecretUnreadable):
        outbox.unseal(KEYS, uuid4(), sealed)
