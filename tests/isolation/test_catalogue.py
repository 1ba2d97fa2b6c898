"""Every table, policy, key, view, function, role and grant of a migrated database keeps tenants apart; and each of
these checks notices when one does not."""

from __future__ import annotations

import asyncpg
import pytest

from dojo.embedded.postgres import EmbeddedPostgres
from tests.isolation.catalogue import findings


async def found_after(postgres: EmbeddedPostgres, *statements: str) -> list[str]:
    """What is wrong once the owner has run `statements`; they are undone."""
    superuser = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await superuser.execute("BEGIN; SET LOCAL ROLE dojo_owner")
        for statement in statements:
            await superuser.execute(statement)
        await superuser.execute("RESET ROLE")
        return await findings(superuser)
    finally:
        await superuser.close()


async def test_nothing_is_wrong(postgres: EmbeddedPostgres) -> None:
    assert await found_after(postgres) == []


_KEPT = "ALTER TABLE extra ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            ("CREATE TABLE extra (tenant_id uuid NOT NULL, a int)",),
            ["table extra has no row-level security", "table extra does not force row-level security on its owner"],
        ),
        (("CREATE TABLE extra (a int)", _KEPT), ["table extra has no tenant_id uuid NOT NULL"]),
        (("CREATE TABLE extra (tenant_id uuid, a int)", _KEPT), ["table extra has no tenant_id uuid NOT NULL"]),
        (
            ("CREATE TABLE extra (tenant_id uuid NOT NULL, name text UNIQUE)", _KEPT),
            ["unique index extra_name_key starts with name: it tells one tenant of another's rows"],
        ),
        (
            (
                "ALTER TABLE users ADD UNIQUE (user_id)",
                "ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (user_id)",
            ),
            [
                "unique index users_user_id_key starts with user_id: it tells one tenant of another's rows",
                "foreign key sessions_user_id_fkey does not start with tenant_id on both sides",
            ],
        ),
        (
            ("CREATE POLICY all_of_it ON users TO dojo_service USING (true)",),
            ["policy all_of_it on users says true and checks None"],
        ),
        (
            ("CREATE POLICY open ON users USING (true)",),
            ["policy open on users is for ['public'], not for one role"],
        ),
        (
            ("CREATE POLICY look ON users TO dojo_journal USING (true)",),
            ["policy look on users for dojo_journal is not listed"],
        ),
        (
            (
                "DROP POLICY tenant ON users",
                "CREATE POLICY tenant ON users TO dojo_service USING (tenant_id = tenant_id)",
            ),
            ["policy tenant on users says (tenant_id = tenant_id) and checks None"],
        ),
        (("CREATE VIEW everybody AS SELECT * FROM users",), ["view everybody is not security_invoker"]),
        (
            ("CREATE FUNCTION snoop() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT email FROM users $$",),
            [
                "function snoop has no fixed search_path",
                "SECURITY DEFINER function snoop is not listed",
                "SECURITY DEFINER function snoop belongs to dojo_owner",
                "SECURITY DEFINER function snoop returns ['text'], not ids only",
            ],
        ),
        (
            ("SET ROLE dojo_definer", "GRANT EXECUTE ON FUNCTION tenant_erase(uuid) TO dojo_service"),
            ["SECURITY DEFINER function tenant_erase may be called by ['dojo_service', 'dojo_worker']"],
        ),
        (
            ("GRANT UPDATE ON audit_log TO dojo_service",),
            ["dojo_service has INSERT SELECT UPDATE on audit_log, not INSERT SELECT"],
        ),
        (("GRANT SELECT (email) ON users TO dojo_journal",), ["dojo_journal has SELECT(email) on users, not None"]),
        (("GRANT SELECT ON users TO PUBLIC",), ["PUBLIC has SELECT on users, not None"]),
    ],
)
async def test_what_is_wrong_is_found(
    postgres: EmbeddedPostgres, statements: tuple[str, ...], expected: list[str]
) -> None:
    assert await found_after(postgres, *statements) == expected
