from __future__ import annotations

from datetime import timedelta

from edge.identity.retention import prune
from kernel.database import connect
from tests.conftest import Database
from tests.edge.identity.company import CompanyApi


async def test_what_has_expired_goes_and_the_rest_stays(company: CompanyApi, database: Database) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    worker = await connect(database.dsn("dojo_worker"), name="test", statement_seconds=5)
    try:
        assert await prune(worker, keep_audit=timedelta(days=365)) == 0
        await company.everything.execute("UPDATE sessions SET expires_at = now() - interval '31 days'")
        await company.everything.execute("UPDATE email_tokens SET expires_at = now() - interval '2 days'")
        await company.everything.execute(
            "INSERT INTO used_tickets VALUES (gen_random_uuid(), now() - interval '2 hours'),"
            " (gen_random_uuid(), now())"
        )
        await company.everything.execute(
            "INSERT INTO audit_log (tenant_id, action, at) VALUES ($1, 'old', now() - interval '366 days'),"
            " ($1, 'kept', now() - interval '364 days')",
            admin.tenant,
        )
        await company.everything.execute(
            "INSERT INTO invitations (tenant_id, email, role, token_hash, expires_at) VALUES"
            " ($1, 'never-came@example.com', 'member', 'x', now() - interval '91 days'),"
            " ($1, 'late@example.com', 'member', 'y', now() - interval '89 days')",
            admin.tenant,
        )
        assert await prune(worker, keep_audit=timedelta(days=365)) == 6
    finally:
        await worker.close()
    assert await company.rows("sessions", admin.tenant) == await company.rows("refresh_tokens", admin.tenant) == 0
    assert await company.everything.fetchval("SELECT count(*) FROM used_tickets") == 1
    assert await company.rows("users", admin.tenant) == 2
    assert await company.everything.fetchval("SELECT count(*) FROM audit_log WHERE action = 'old'") == 0
    assert await company.everything.fetchval("SELECT count(*) FROM audit_log WHERE action = 'kept'") == 1
    assert await company.everything.fetchval("SELECT count(*) FROM invitations WHERE accepted_at IS NULL") == 1
    assert (await company.login(ana.email)).status == 200
