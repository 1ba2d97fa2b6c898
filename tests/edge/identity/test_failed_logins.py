from __future__ import annotations

from edge.identity.audit_later import AuditLater
from edge.identity.failed_logins import FailedLogins
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
    later = AuditLater()
    failed = FailedLogins(pool, later)
    later.start()
    failed.note(None, ORIGIN)
    failed.note(identity, ORIGIN)
    await later.close()
    await pool.close()
    for tenant in (ana.tenant, globex):
        assert (await api.audited(tenant)).count("login.failed") == 1
