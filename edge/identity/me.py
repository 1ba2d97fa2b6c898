"""Oneself: `/api/v1/users/me`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from kernel import audit
from kernel.database import speak_for_identity
from kernel.http.fields import Instant, Name, one_line
from kernel.http.operation import SIGNED_IN, Call, Caller, Operation, Role
from kernel.http.problem import Problem, not_found


class Me(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who one is, in the company one is signed in to. `email` is null for somebody of whom no provider told one."""

    user_id: UUID
    tenant_id: UUID
    email: str | None
    email_verified: bool
    full_name: str
    company_name: str
    role: Role
    created_at: Instant
    last_login_at: Instant | None


class MyChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What one may change of oneself. Tokens show a new name from the next refresh on."""

    full_name: Name | msgspec.UnsetType = msgspec.UNSET


class MyAccount:
    """The routes about oneself."""

    def operations(self) -> list[Operation]:
        """Its routes."""
        path = "/api/v1/users/me"
        return [
            Operation("GET", path, self.get_me, access=SIGNED_IN, tag="users"),
            Operation("PATCH", path, self.change_me, access=SIGNED_IN, tag="users", problems={"invalid_name": 400}),
        ]

    async def get_me(self, call: Call[None, None]) -> Me:
        """Who one is."""
        return await _me(call.db, call.caller)

    async def change_me(self, call: Call[MyChanges, None]) -> Me:
        """Change one's name, in this company."""
        caller = call.caller
        if call.body.full_name is not msgspec.UNSET:
            await call.db.execute(
                "UPDATE users SET full_name = $3, updated_at = now() WHERE tenant_id = $1 AND user_id = $2",
                caller.tenant,
                caller.user,
                shown_name(call.body.full_name),
            )
            await audit.note(call, "user.renamed", caller.user)
        return await _me(call.db, caller)


def shown_name(text: str) -> str:
    """A name as it is stored. Raises `Problem` 400 if nothing of it can be seen, or if it grew too long."""
    name = one_line(text)
    if not 0 < len(name) <= 100:
        raise Problem(400, "invalid_name", "a name has 1 to 100 characters that can be seen")
    return name


async def _me(db: Any, caller: Caller) -> Me:
    row = await db.fetchrow(
        "SELECT u.identity_id, u.email, u.full_name, u.role, u.created_at, u.last_login_at, t.name FROM users u"
        " JOIN tenants t USING (tenant_id) WHERE u.tenant_id = $1 AND u.user_id = $2 AND u.status = 'ACTIVE'",
        caller.tenant,
        caller.user,
    )
    if row is None:  # removed a moment ago
        raise not_found()
    await speak_for_identity(db, row["identity_id"])
    verified = await db.fetchval(
        "SELECT email_verified_at IS NOT NULL FROM identities WHERE identity_id = $1", row["identity_id"]
    )
    return Me(
        user_id=caller.user,
        tenant_id=caller.tenant,
        email=row["email"],
        email_verified=bool(verified),
        full_name=row["full_name"],
        company_name=row["name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        last_login_at=row["last_login_at"],
    )
