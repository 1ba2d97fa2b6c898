from __future__ import annotations

import asyncpg
import pytest

from edge.identity.retention import erase_tenants
from kernel.database import connect
from tests.conftest import Database
from tests.edge.identity.accounts_api import PASSWORD, until
from tests.edge.identity.company import CompanyApi

PATH = "/api/v1/tenant"


async def erase_as_worker(database: Database) -> int:
    worker = await connect(database.dsn("dojo_worker"), name="test", statement_seconds=30)
    try:
        return await erase_tenants(worker)
    finally:
        await worker.close()


async def test_an_administrator_sees_and_renames_the_company(company: CompanyApi) -> None:
    admin = await company.founder()
    seen = (await company.get(PATH, admin)).body
    assert (seen["tenantId"], seen["name"], seen["status"], seen["seatsTaken"]) == (
        str(admin.tenant),
        "Acme",
        "ACTIVE",
        1,
    )
    renamed = await company.ask("PATCH", PATH, {"name": "  Acme  Brasil "}, token=admin.access)
    assert renamed.body["name"] == "Acme Brasil"
    assert (await company.get(PATH, admin)).body["name"] == "Acme Brasil"
    assert (await company.audited(admin.tenant))[-1] == "tenant.renamed"
    assert (await company.ask("PATCH", PATH, {"name": "   "}, token=admin.access)).code == "invalid_name"


async def test_only_administrators_see_it(company: CompanyApi) -> None:
    admin = await company.founder()
    host = await company.join(admin, "host@example.com", "host")
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", {"name": "Acme"})):
        assert (await company.ask(method, PATH, body, token=host.access)).status == 403


async def test_a_company_ends_only_by_its_name(company: CompanyApi) -> None:
    admin = await company.founder()
    answer = await company.ask("DELETE", PATH, {"name": "Globex"}, token=admin.access)
    assert (answer.status, answer.code) == (409, "wrong_name")
    assert (await company.get(PATH, admin)).body["status"] == "ACTIVE"


async def test_an_erased_company_leaves_nothing_and_others_everything(company: CompanyApi, database: Database) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    ana = await company.join(acme, "ana@example.com")
    await company.invited(acme, "bia@example.com")
    token = await company.invited(globex, "ana@example.com")
    await company.post("/api/v1/invitations/accept", {"token": token}, token=ana.access)
    await company.outsider(acme)
    for tenant in (acme.tenant, globex.tenant):
        await company.everything.execute(
            "INSERT INTO collab_base (tenant_id, room, base, rows_folded) VALUES ($1, 'r', '\\x00ff', 1)", tenant
        )
        await company.everything.execute(
            "INSERT INTO collab_journal (tenant_id, room, node_epoch, node_sequence, entries)"
            " VALUES ($1, 'r', gen_random_uuid(), 1, '\\x00')",
            tenant,
        )
    tables = await company.tables()
    kept = {table: await company.rows(table, globex.tenant) for table in tables}
    assert await erase_as_worker(database) == 0  # nobody asked yet

    asked = await company.ask("DELETE", PATH, {"name": "Acme"}, token=acme.access)
    assert asked.status == 202
    await company.refused(acme.access)
    await company.refused(ana.access)
    assert (await company.refresh(acme.refresh)).status == 401
    assert await erase_as_worker(database) == 1

    left = {table: await company.rows(table, acme.tenant) for table in tables}
    # The company's row tells latecomers for a day that it is no more; the revocation lives as long as tokens do.
    assert {table for table, rows in left.items() if rows} == {"tenants", "revocations"}
    assert {table: await company.rows(table, globex.tenant) for table in tables} == kept
    logins = await company.everything.fetch("SELECT email FROM identities ORDER BY email")
    assert [row["email"] for row in logins] == ["ana@example.com", "boss@example.com"]
    assert (await company.login("admin@example.com")).status == 401
    assert (await company.login("ana@example.com")).body["tenantId"] == str(globex.tenant)

    await company.everything.execute(
        "UPDATE tenants SET updated_at = now() - interval '25 hours' WHERE tenant_id = $1", acme.tenant
    )
    assert await erase_as_worker(database) == 1
    assert await company.rows("tenants", acme.tenant) == 0
    assert await erase_as_worker(database) == 0
    await company.founder("admin@example.com")


async def test_a_company_that_cannot_be_erased_does_not_keep_others_from_it(
    company: CompanyApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    for admin, name in ((acme, "Acme"), (globex, "Globex")):
        assert (await company.ask("DELETE", PATH, {"name": name}, token=admin.access)).status == 202
    # A table that came later and that nobody gave the function the right to.
    await company.everything.execute("CREATE TABLE later (tenant_id uuid REFERENCES tenants, note text)")
    await company.everything.execute("INSERT INTO later VALUES ($1, 'x')", acme.tenant)
    await company.everything.execute("GRANT SELECT, DELETE ON later TO dojo_definer")
    await company.everything.execute(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stop'; END $$"
    )
    await company.everything.execute("CREATE TRIGGER stop BEFORE DELETE ON later FOR EACH ROW EXECUTE FUNCTION stop()")
    assert await erase_as_worker(database) == 1
    assert await company.rows("users", globex.tenant) == 0
    assert await company.rows("users", acme.tenant) == 1  # all of it or nothing
    assert str(acme.tenant) in caplog.text
    await company.everything.execute("DROP TRIGGER stop ON later")
    assert await erase_as_worker(database) == 2
    assert await company.rows("users", acme.tenant) == 0


async def test_nobody_but_the_worker_erases(company: CompanyApi, database: Database) -> None:
    admin = await company.founder()
    for role in ("dojo_service", "dojo_journal"):
        connection = await connect(database.dsn(role), name="test", statement_seconds=5)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT tenant_erase($1)", admin.tenant)
        await connection.close()
    worker = await connect(database.dsn("dojo_worker"), name="test", statement_seconds=5)
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await worker.execute("SELECT tenant_erase($1)", admin.tenant)
    await worker.close()
    assert (await company.get(PATH, admin)).status == 200


async def test_after_the_request_nobody_comes_in_again(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    await company.ask("DELETE", PATH, {"name": "Acme"}, token=admin.access)
    assert (await company.login(ana.email, PASSWORD)).status in (401, 403)
    assert (await company.refresh(ana.refresh)).status == 401

    async def out() -> bool:
        return (await company.get("/api/v1/users/me", ana)).status == 401

    await until(out)
