from __future__ import annotations

import json
from uuid import uuid4

import asyncpg
import pytest

from kernel import audit
from kernel.database import create_pool, tenant_scope
from kernel.http.operation import Origin
from tests.conftest import Database

ORIGIN = Origin("192.0.2.1", "a browser", "request-1", "host", None, False, {})


async def test_an_entry_stands_with_its_transaction(database: Database) -> None:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    tenant, actor, target = uuid4(), uuid4(), uuid4()

    async def fail() -> None:
        async with tenant_scope(pool, tenant) as db:
            await audit.append(db, tenant=tenant, actor=actor, action="user.removed", target=target)
            raise ZeroDivisionError

    async with tenant_scope(pool, tenant) as db:
        await audit.append(
            db, tenant=tenant, actor=actor, action="user.renamed", target=target, origin=ORIGIN, details={"by": "self"}
        )
        await audit.append(db, tenant=tenant, actor=None, action="login.failed")
    with pytest.raises(ZeroDivisionError):
        await fail()
    async with tenant_scope(pool, tenant) as db:
        first, second = await db.fetch("SELECT * FROM audit_log ORDER BY at")
    assert (first["actor_id"], first["action"], first["target_id"]) == (actor, "user.renamed", target)
    assert (first["network"], first["request_id"], json.loads(first["details"])) == (
        "192.0.2.1",
        "request-1",
        {"by": "self"},
    )
    assert (second["actor_id"], second["network"], json.loads(second["details"])) == (None, None, {})
    await pool.close()


async def test_nobody_writes_into_another_tenants_log(database: Database) -> None:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)

    async def write() -> None:
        async with tenant_scope(pool, uuid4()) as db:
            await audit.append(db, tenant=uuid4(), actor=None, action="login.failed")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await write()
    await pool.close()


@pytest.mark.parametrize("action", ["", "x" * 61])
async def test_an_action_has_a_name(action: str) -> None:
    with pytest.raises(ValueError, match="1 to 60"):
        await audit.append(None, tenant=uuid4(), actor=None, action=action)
