"""What Postgres' own catalogue says about the isolation of tenants, as a list of what is wrong.

Nothing here knows a table by what it is for: a table that a later migration adds is checked like the others, and one
that needs an exception has to be named here, with the reason.
"""

from __future__ import annotations

from typing import Any, Final

TENANT: Final = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)"
IDENTITY: Final = "(identity_id = (NULLIF(current_setting('app.identity'::text, true), ''::text))::uuid)"
NULL_OR_IDENTITY: Final = (
    "(NOT (identity_id IS DISTINCT FROM (NULLIF(current_setting('app.identity'::text, true), ''::text))::uuid))"
)

OF_NO_TENANT: Final = {
    "identities": "a person's login, one per e-mail; visible by app.identity",
    "email_tokens": "hangs on an identity",
    "mail_outbox": "sealed mails; services only insert",
    "signing_keys": "the service's own",
    "used_tickets": "random ids; only ticket_take reaches them",
    "schema_migration": "which files were applied; granted to nobody",
}
UNIQUE_ACROSS_TENANTS: Final = {
    "identities_pkey": "a random id",
    "identities_email": "one identity per e-mail; sign-up says so, rate-limited, and nothing else does",
    "email_tokens_pkey": "a hash of 256 random bits",
    "mail_outbox_pkey": "a random id",
    "signing_keys_pkey": "a key's thumbprint",
    "used_tickets_pkey": "a random id",
    "schema_migration_pkey": "which files were applied",
    "issuers_issuer": "an issuer's client belongs to one tenant",
    "dojos_join_code": "a hash of 50 random bits; guests name no tenant",
    # Inserted blindly, by a role that reads nothing; the epoch is random.
    "collab_journal_pkey": "epoch and number of the writing node",
    "collab_journal_history_pkey": "epoch and number of the writing node",
}
POLICIES_OF_SERVICES: Final = {
    # (table, policy): what it says, where it is not `tenant_id = app.tenant`
    ("identities", "identity"): (IDENTITY, IDENTITY),
    ("email_tokens", "identity"): (IDENTITY, NULL_OR_IDENTITY),
    ("signing_keys", "service"): ("true", "true"),
    ("mail_outbox", "service"): (None, "true"),
    ("collab_journal", "tenant_reads"): (TENANT, None),
    ("collab_journal", "tenant_folds"): (TENANT, None),
}
POLICIES_OF_OTHERS: Final = {
    ("collab_journal", "append", "dojo_journal"),
    ("mail_outbox", "worker", "dojo_worker"),
}
DEFINER_FUNCTIONS: Final = {
    # Everything that may look across tenants, and who may call it.
    "identity_by_email": {"dojo_service"},
    "identity_by_email_token": {"dojo_service"},
    "identity_users": {"dojo_service"},
    "session_by_refresh_token": {"dojo_service"},
    "invitation_by_token": {"dojo_service"},
    "issuer_tenants": {"dojo_service"},
    "dojo_by_join_code": {"dojo_service"},
    "dojo_turns_due": {"dojo_service"},
    "revocations_since": {"dojo_service"},
    "ticket_take": {"dojo_service"},
    "tenants_to_erase": {"dojo_worker"},
    "tenant_erase": {"dojo_worker"},
    "prune_expired": {"dojo_worker"},
    "prune_dojo_invitations": {"dojo_worker"},
    "dojos_lapsed": {"dojo_worker"},
    "dojo_rooms_uncounted": {"dojo_worker"},
    "dojo_rooms_before_cut": {"dojo_worker"},
    "dojo_voice_removed": {"dojo_worker"},
    "collab_history_turn": {"dojo_worker"},
    "dojo_chat_turn": {"dojo_worker"},
}
OF_THE_OWNER: Final = {
    "collab_history_turn": "only the tables' owner makes and drops partitions; row-level security binds it too",
    "dojo_chat_turn": "the same",
}
ID_TYPES: Final = {"uuid", "int8", "int4", "bool", "timestamptz", "void"}
"""What a definer function may return: ids and what says nothing about a tenant's content."""
ROLES: Final = ("dojo_service", "dojo_journal", "dojo_worker", "dojo_definer")
GRANTS: Final = {
    "dojo_journal": {"collab_journal": "INSERT"},
    "dojo_worker": {
        "audit_log": "INSERT",
        "collab_base": "SELECT",
        "collab_journal": "SELECT",
        "collab_journal_history": "SELECT",
        "collab_owners": "SELECT",
        "dojo_code_snapshots": "INSERT SELECT",
        "dojo_invitations": "SELECT(accepted_at,dojo_id,revoked_at,tenant_id) UPDATE(revoked_at)",
        "dojo_room_keyframes": "DELETE INSERT SELECT",
        "dojo_room_participants": "SELECT UPDATE(left_at)",
        "dojo_rooms": "SELECT UPDATE(ended_at,keyframed_before,sensei_id,status,turn,typed_complete,version)",
        "dojo_turns": "INSERT",
        "dojo_typed": "DELETE INSERT SELECT",
        "dojos": "SELECT(dojo_id,status,tenant_id) UPDATE(ended_at,join_code_hash,status,updated_at)",
        "mail_outbox": "DELETE SELECT UPDATE(attempts,due_at)",
    },
    "dojo_service": {
        "audit_log": "INSERT SELECT",
        "collab_base": "INSERT SELECT UPDATE",
        "collab_journal": "DELETE SELECT",
        "collab_journal_history": "INSERT SELECT",
        "collab_owners": "INSERT SELECT UPDATE",
        "dojo_chat_messages": "INSERT SELECT UPDATE(user_name)",
        "dojo_code_snapshots": "INSERT SELECT",
        "dojo_invitations": "INSERT SELECT UPDATE",
        "dojo_participants": "INSERT SELECT UPDATE",
        "dojo_room_commands": "INSERT SELECT UPDATE",
        "dojo_room_keyframes": "DELETE INSERT SELECT",
        "dojo_room_participants": "INSERT SELECT UPDATE",
        "dojo_rooms": "INSERT SELECT UPDATE",
        "dojo_turns": "INSERT SELECT",
        "dojo_typed": "SELECT",
        "dojo_voice_people": "INSERT SELECT UPDATE",
        "dojo_voice_rooms": "INSERT SELECT UPDATE",
        "dojo_voice_talk": "INSERT SELECT UPDATE",
        "dojos": "INSERT SELECT UPDATE",
        "email_tokens": "DELETE INSERT SELECT UPDATE",
        "external_identities": "DELETE INSERT SELECT",
        "idempotency_keys": "DELETE INSERT SELECT",
        "identities": "DELETE INSERT SELECT UPDATE",
        "invitations": "INSERT SELECT UPDATE",
        "issuers": "DELETE INSERT SELECT",
        "mail_outbox": "INSERT",
        "refresh_tokens": "INSERT SELECT UPDATE",
        "revocations": "INSERT SELECT",
        "sessions": "INSERT SELECT UPDATE",
        "signing_keys": "DELETE INSERT SELECT UPDATE(published_until,sealed_private)",
        "tenants": "INSERT SELECT UPDATE",
        "users": "INSERT SELECT UPDATE",
    },
    "dojo_definer": {
        "audit_log": "DELETE SELECT",
        "collab_base": "DELETE SELECT(tenant_id)",
        "collab_journal": "DELETE SELECT(committed_at,room,tenant_id)",
        "collab_journal_history": "DELETE SELECT(committed_at,room,tenant_id)",
        "collab_owners": "DELETE SELECT(tenant_id)",
        "dojo_chat_messages": "DELETE SELECT",
        "dojo_code_snapshots": "DELETE SELECT",
        "dojo_invitations": "DELETE SELECT",
        "dojo_participants": "DELETE SELECT",
        "dojo_room_commands": "DELETE SELECT",
        "dojo_room_keyframes": "DELETE SELECT",
        "dojo_room_participants": "DELETE SELECT",
        "dojo_rooms": "DELETE SELECT",
        "dojo_turns": "DELETE SELECT",
        "dojo_typed": "DELETE SELECT",
        "dojo_voice_people": "DELETE SELECT",
        "dojo_voice_rooms": "DELETE SELECT",
        "dojo_voice_talk": "DELETE SELECT",
        "dojos": "DELETE SELECT",
        "email_tokens": "DELETE SELECT",
        "external_identities": "DELETE SELECT",
        "idempotency_keys": "DELETE SELECT",
        "identities": "DELETE SELECT",
        "invitations": "DELETE SELECT",
        "issuers": "DELETE SELECT",
        "refresh_tokens": "DELETE SELECT",
        "revocations": "DELETE SELECT",
        "sessions": "DELETE SELECT",
        "tenants": "DELETE SELECT(status,tenant_id,updated_at)",
        "used_tickets": "DELETE INSERT SELECT",
        "users": "DELETE SELECT",
    },
}

_TABLES: Final = """
SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relowner::regrole::text AS owner,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
               AND a.atttypid = 'uuid'::regtype) AS of_tenant
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') ORDER BY c.relname
"""
_UNIQUE: Final = """
SELECT i.relname, a.attname AS first_column FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND (x.indisunique OR x.indisexclusion)
"""
_FOREIGN_KEYS: Final = """
SELECT k.conname, f.relname AS to_table,
       a.attname AS first_column, b.attname AS first_referenced
FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND k.conparentid = 0
"""
_FUNCTIONS: Final = """
SELECT p.oid, p.proname, p.prosecdef, p.proowner::regrole::text AS owner, p.proconfig, t.typname AS returns,
       (SELECT array_agg(y.typname) FROM unnest(p.proallargtypes, p.proargmodes) AS o (type, mode)
        JOIN pg_type y ON y.oid = o.type WHERE o.mode IN ('o', 't')) AS columns,
       (SELECT array_agg(CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
        WHERE x.privilege_type = 'EXECUTE' AND x.grantee <> p.proowner) AS callers
FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype WHERE p.pronamespace = 'public'::regnamespace
"""
_GRANTS: Final = """
WITH acl AS (
    SELECT c.relname, NULL AS column_name, x.grantee, x.privilege_type
    FROM pg_class c, aclexplode(c.relacl) x WHERE c.relnamespace = 'public'::regnamespace AND x.grantee <> c.relowner
    UNION ALL
    SELECT c.relname, a.attname, x.grantee, x.privilege_type
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
    WHERE c.relnamespace = 'public'::regnamespace
) SELECT relname, column_name, privilege_type,
         CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role FROM acl
"""


async def findings(superuser: Any) -> list[str]:
    """What is wrong, one line each; empty when every table, policy, key, view, function, role and grant is right."""
    found: list[str] = []
    for check in (_tables, _policies, _unique_indexes, _foreign_keys, _views, _functions, _roles, _grants):
        found += await check(superuser)
    return found


async def _tables(db: Any) -> list[str]:
    found = []
    for table in await db.fetch(_TABLES):
        name = table["relname"]
        if table["owner"] != "dojo_owner":
            found.append(f"table {name} belongs to {table['owner']}")
        if name == "schema_migration":
            continue
        if not table["relrowsecurity"]:
            found.append(f"table {name} has no row-level security")
        if not table["relforcerowsecurity"] and not table["relispartition"]:
            found.append(f"table {name} does not force row-level security on its owner")
        if not table["of_tenant"] and name not in OF_NO_TENANT:
            found.append(f"table {name} has no tenant_id uuid NOT NULL")
    return found


async def _policies(db: Any) -> list[str]:
    found = []
    rows = await db.fetch("SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies")
    for row in rows:
        table, policy, roles = row["tablename"], row["policyname"], list(row["roles"])
        at = f"policy {policy} on {table}"
        if len(roles) != 1 or roles[0] == "public":
            found.append(f"{at} is for {roles}, not for one role")
        elif roles[0] == "dojo_definer":
            if policy != "definer":
                found.append(f"{at} is for the definer, but not called so")
        elif (table, policy, roles[0]) in POLICIES_OF_OTHERS:
            continue
        elif roles[0] not in ("dojo_service", "dojo_worker"):
            found.append(f"{at} for {roles[0]} is not listed")
        else:
            wanted = POLICIES_OF_SERVICES.get((table, policy), (TENANT, TENANT))
            if (row["qual"], row["with_check"]) != wanted:
                found.append(f"{at} says {row['qual']} and checks {row['with_check']}")
    return found


async def _unique_indexes(db: Any) -> list[str]:
    return [
        f"unique index {row['relname']} starts with {row['first_column']}: it tells one tenant of another's rows"
        for row in await db.fetch(_UNIQUE)
        if row["first_column"] != "tenant_id" and row["relname"] not in UNIQUE_ACROSS_TENANTS
    ]


async def _foreign_keys(db: Any) -> list[str]:
    return [
        f"foreign key {row['conname']} does not start with tenant_id on both sides"
        for row in await db.fetch(_FOREIGN_KEYS)
        if row["to_table"] != "identities"
        and (row["first_column"], row["first_referenced"]) != ("tenant_id", "tenant_id")
    ]


async def _views(db: Any) -> list[str]:
    rows = await db.fetch(
        "SELECT relname, relkind::text, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('v', 'm')"
    )
    # A materialised view holds what its owner saw, whoever asks.
    return [
        f"view {row['relname']} is not security_invoker"
        for row in rows
        if row["relkind"] == "m" or "security_invoker=true" not in (row["reloptions"] or [])
    ]


async def _functions(db: Any) -> list[str]:
    found = []
    seen = set()
    for function in await db.fetch(_FUNCTIONS):
        name = function["proname"]
        callers = set(function["callers"] or ())
        if not any(
            setting.startswith("search_path=pg_catalog, public, pg_temp") for setting in function["proconfig"] or ()
        ):
            found.append(f"function {name} has no fixed search_path")
        if not function["prosecdef"]:
            if callers:
                found.append(f"function {name} may be called by {sorted(callers)}")
            continue
        seen.add(name)
        if name not in DEFINER_FUNCTIONS:
            found.append(f"SECURITY DEFINER function {name} is not listed")
        elif callers != DEFINER_FUNCTIONS[name]:
            found.append(f"SECURITY DEFINER function {name} may be called by {sorted(callers)}")
        if function["owner"] != ("dojo_owner" if name in OF_THE_OWNER else "dojo_definer"):
            found.append(f"SECURITY DEFINER function {name} belongs to {function['owner']}")
        returned = set(function["columns"] or [function["returns"]])
        if not returned <= ID_TYPES:
            found.append(f"SECURITY DEFINER function {name} returns {sorted(returned)}, not ids only")
    return found + [f"function {name} is listed and missing" for name in sorted(DEFINER_FUNCTIONS.keys() - seen)]


async def _roles(db: Any) -> list[str]:
    found = []
    for role in ROLES:
        row = await db.fetchrow(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS mighty, rolcanlogin,"
            " EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS member,"
            " has_schema_privilege(r.oid, 'public', 'CREATE') AS creates,"
            " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid AND relnamespace = 'public'::regnamespace) AS owns"
            " FROM pg_roles r WHERE rolname = $1",
            role,
        )
        if row["mighty"] or row["member"] or row["creates"] or row["owns"]:
            found.append(f"role {role} may more than it should: {dict(row)}")
        if row["rolcanlogin"] == (role == "dojo_definer"):
            found.append(f"role {role} {'can' if row['rolcanlogin'] else 'cannot'} log in")
    if await db.fetchval("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'dojo_owner'"):
        found.append("role dojo_owner is above row-level security")
    return found


async def _grants(db: Any) -> list[str]:
    whole: dict[tuple[str, str], set[str]] = {}
    columns: dict[tuple[str, str, str], set[str]] = {}
    for row in await db.fetch(_GRANTS):
        of = (row["role"], row["relname"])
        if row["column_name"] is None:
            whole.setdefault(of, set()).add(row["privilege_type"])
        else:
            columns.setdefault((*of, row["privilege_type"]), set()).add(row["column_name"])
    for (role, table, privilege), names in columns.items():
        whole.setdefault((role, table), set()).add(f"{privilege}({','.join(sorted(names))})")
    granted = {of: " ".join(sorted(privileges)) for of, privileges in whole.items()}
    wanted = {(role, table): text for role, tables in GRANTS.items() for table, text in tables.items()}
    return [
        f"{of[0]} has {granted.get(of)} on {of[1]}, not {wanted.get(of)}"
        for of in sorted(granted.keys() | wanted.keys())
        if granted.get(of) != wanted.get(of)
    ]
