from __future__ import annotations

import pytest

from edge.identity.audit_later import WAITING, AuditLater
from edge.identity.failed_logins import FailedLogins
from kernel.database import create_pool
from kernel.http.operation import Origin
from tests.conftest import Database
from tests.edge.identity.accounts_api import AccountsApi

ORIGIN = Origin("192.0.2.1", "", "request-1", "host", None, False, {})


async def test_a_flood_is_bounded_and_counted(
    api: AccountsApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ana = await api.sign_up("ana@example.com")
    identity = await api.everything.fetchval("SELECT identity_id FROM identities")
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    later = AuditLater()
    failed = FailedLogins(pool, later)
    for _ in range(WAITING + 7):
        failed.note(identity, ORIGIN)
    later.start()
    await later.close()
    await pool.close()
    assert "7 entries are not in the audit log" in caplog.text
    assert 0 < (await api.audited(ana.tenant)).count("login.failed") <= WAITING


async def test_a_database_that_is_away_stops_nothing(
    api: AccountsApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await api.sign_up("ana@example.com")
    identity = await api.everything.fetchval("SELECT identity_id FROM identities")
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    await pool.close()
    later = AuditLater()
    failed = FailedLogins(pool, later)
    later.start()
    failed.note(identity, ORIGIN)
    await later.close()
    assert "an entry is not in the audit log: login.failed (InterfaceError)" in caplog.text
