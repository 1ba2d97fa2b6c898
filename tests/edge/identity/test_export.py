from __future__ import annotations

import base64
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.identity.tenant_export import LEFT_OUT, exported_tables
from kernel.database import connect
from kernel.http.streaming import Streamed
from tests.conftest import Database
from tests.edge.identity.accounts_api import until
from tests.edge.identity.company import CompanyApi, Someone

ROOM = bytes(range(256)) * 1000


async def export(company: CompanyApi, who: Someone) -> list[dict[str, Any]]:
    raw, answer = await company.download("/api/v1/tenant/export", who)
    assert answer.status == 200, raw
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert "attachment" in answer.headers["Content-Disposition"]
    return [msgspec.json.decode(line) for line in raw.splitlines()]


async def test_a_person_gets_everything_about_them(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com", "admin")
    await company.invited(ana, "bia@example.com")
    answer = await company.get("/api/v1/users/me/export", ana)
    assert answer.status == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    body = answer.body
    assert (body["profile"]["email"], body["profile"]["companyName"]) == ("ana@example.com", "Acme")
    assert body["login"]["emailVerifiedAt"]
    assert [session["network"] for session in body["sessions"]] == ["192.0.2.1"]
    assert [sent["email"] for sent in body["invitationsSent"]] == ["bia@example.com"]
    assert [received["email"] for received in body["invitationsReceived"]] == ["ana@example.com"]
    assert {"user.signed_up", "invitation.created"} <= {entry["action"] for entry in body["audit"]}
    assert body["auditComplete"] is True
    assert not {"password_hash", "passwordHash", "argon2id"} & set(str(body).replace("'", " ").split())
    assert "admin@example.com" not in str(body)
    assert (await company.audited(admin.tenant))[-1] == "user.exported"


async def test_people_of_an_identity_provider_have_no_login_in_theirs(company: CompanyApi) -> None:
    otto = await company.outsider(await company.founder())
    body = (await company.get("/api/v1/users/me/export", otto)).body
    assert body["login"] is None
    assert [known["subject"] for known in body["externalIdentities"]] == ["s1"]


async def test_a_company_gets_everything_and_nothing_of_another(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    await company.join(acme, "ana@example.com")
    await company.outsider(acme)
    for tenant, name in ((acme.tenant, "ours"), (globex.tenant, "theirs")):
        await company.everything.execute(
            "INSERT INTO collab_base (tenant_id, room, base, rows_folded) VALUES ($1, $2, $3, 1)", tenant, name, ROOM
        )
    # A table of a later migration, with types that nobody has thought of.
    await company.everything.execute("CREATE TABLE later (tenant_id uuid, tags text[], span int4range, price numeric)")
    await company.everything.execute("GRANT SELECT ON later TO dojo_service")
    await company.everything.execute("INSERT INTO later VALUES ($1, '{a,b}', '[1,3)', 1.50)", acme.tenant)
    head, *rows, end = await export(company, acme)
    assert (head["format"], head["tenantId"]) == ("dojo-tenant-export/1", str(acme.tenant))
    assert end == {"end": True, "rows": len(rows)}
    by_table: dict[str, list[dict[str, Any]]] = {}
    for line in rows:
        by_table.setdefault(line["table"], []).append(line["row"])
    assert {row["tenant_id"] for found in by_table.values() for row in found} == {str(acme.tenant)}
    for table in await company.tables():
        if table not in LEFT_OUT:
            assert len(by_table.get(table, [])) == await company.rows(table, acme.tenant), table
    assert by_table["tenants"][0]["name"] == "Acme"
    assert {row["email"] for row in by_table["users"]} == {"admin@example.com", "ana@example.com", None}
    (room,) = by_table["collab_base"]
    assert (room["room"], base64.b64decode(room["base"])) == ("ours", ROOM)
    assert by_table["later"] == [{"tenant_id": str(acme.tenant), "tags": ["a", "b"], "span": "[1,3)", "price": 1.5}]
    assert (await company.audited(acme.tenant))[-1] == "tenant.exported"
    ana = await company.someone("ana@example.com")
    assert (await company.get("/api/v1/tenant/export", ana)).status == 403


async def test_every_table_of_a_tenant_is_exported_and_no_secret(company: CompanyApi, database: Database) -> None:
    service = await connect(database.dsn("dojo_service"), name="test", statement_seconds=5)
    tables = await exported_tables(service)
    await service.close()
    assert {table.name for table in tables} | LEFT_OUT == set(await company.tables())
    # Bytes are contents or secrets: whoever adds a column says here which.
    assert {(table.name, column) for table in tables for column in table.bytes_columns} == {
        ("collab_base", "base"),
        ("collab_journal", "entries"),
        ("collab_journal_history", "entries"),
        ("collab_owners", "owners"),
        ("dojo_room_keyframes", "state"),
    }


async def test_few_exports_run_at_once(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.everything.execute(
        "INSERT INTO collab_base (tenant_id, room, base, rows_folded)"
        " SELECT $1, 'r' || n, $2, 1 FROM generate_series(1, 100) n",
        admin.tenant,
        ROOM,
    )
    async with company.reading("/api/v1/tenant/export", admin), company.reading("/api/v1/tenant/export", admin):
        # Neither is read to its end: 34 MB do not fit into what lies between.
        raw, answer = await company.download("/api/v1/tenant/export", admin)
        assert (answer.status, msgspec.json.decode(raw)["code"]) == (503, "export_busy")

    # Clients that went away give their place back.
    async def free() -> bool:
        return (await company.download("/api/v1/tenant/export", admin))[1].status == 200

    await until(free)
    assert (await export(company, admin))[-1]["end"] is True


@pytest.mark.parametrize("failure", [ConnectionError, TimeoutError])
async def test_an_export_that_fails_has_no_end(failure: type[Exception]) -> None:
    async def pieces() -> Any:
        yield b"first\n"
        raise failure

    async def handle(_request: web.Request) -> web.StreamResponse:
        return Streamed(pieces(), 10, headers={})

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session, session.get(server.make_url("/")) as got:
        assert await got.content.readline() == b"first\n"
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()
