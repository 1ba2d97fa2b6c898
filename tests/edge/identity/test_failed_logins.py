from __future__ import annotations

import pytest

from edge.identity.failed_logins import WAITING, FailedLogins
from kernel.database import create_pool
from kernel.http.operation import Origin
from tests.conftest import Database
from tests.edge.identity.accounts_api import AccountsApi

ORIGIN = Origin("192.0.2.1", "", "request-1", "host", None, False, {})


async def test_what_waits_is_written_at_the_end_in_every_company(api: AccountsApi, database: Database) -> None:
    ana = await api.sign_up("ana@example.com")
    globex = await api.member(ana)
    identity = await api.everything.fetchval("SELECT identity_id FROM identities")
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    failed = FailedLogins(pool)
    failed.start()
    failed.note(None, ORIGIN)
    failed.note(identity, ORIGIN)
    await failed.close()
    await pool.close()
    for tenant in (ana.tenant, globex):
        assert (await api.audited(tenant)).count("login.failed") == 1


async def test_a_flood_is_bounded_and_counted(
    api: AccountsApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ana = await api.sign_up("ana@example.com")
    identity = await api.everything.fetchval("SELECT identity_id FROM identities")
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    failed = FailedLogins(pool)
    for _ in range(WAITING + 7):
        failed.note(identity, ORIGIN)
    failed.start()
    await failed.close()
    await pool.close()
    assert "7 failed logins are not in the audit log" in caplog.text
    assert 0 < (await api.audited(ana.tenant)).count("login.failed") <= WAITING


async def test_a_database_that_is_away_stops_nothing(
    api: AccountsApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await api.sign_up("ana@example.com")
    identity = await api.everything.fetchval("SELECT identity_id FROM identities")
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=1)
    await pool.close()
    failed = FailedLogins(pool)
    failed.start()
    failed.note(identity, ORIGIN)
    await failed.close()
    assert "a failed login is not in the audit log: InterfaceError" in caplog.text
