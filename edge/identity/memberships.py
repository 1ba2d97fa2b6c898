"""Where a person is a user: an identity's users, tenant by tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kernel.database import speak_for_tenant
from kernel.http.operation import Role

MOST: Final = 100
"""Tenants of one person that are looked at when they sign in."""

_ACTIVE: Final = (
    "SELECT u.role, u.full_name, u.token_version FROM users u JOIN tenants t USING (tenant_id)"
    " WHERE u.tenant_id = $1 AND u.user_id = $2 AND u.status = 'ACTIVE' AND t.status = 'ACTIVE'"
)
_ACTIVE_LOCKED: Final = _ACTIVE + " FOR NO KEY UPDATE OF u"


@dataclass(frozen=True, slots=True)
class Membership:
    """A person in one tenant. `active`: neither of them is suspended."""

    tenant: UUID
    user: UUID
    company: str
    active: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A user of a tenant as tokens tell them."""

    tenant: UUID
    user: UUID
    role: Role
    name: str
    version: int


async def users_of(db: Any, identity: UUID) -> AsyncIterator[tuple[UUID, UUID]]:
    """Tenant and user id of each of the person's users, removed ones left out. At each step the transaction of `db`
    speaks for the tenant that was given last; what is done for all of them happens in all or in none."""
    for row in await db.fetch("SELECT tenant_id, user_id FROM identity_users($1)", identity):
        await speak_for_tenant(db, row["tenant_id"])
        yield row["tenant_id"], row["user_id"]


async def memberships(db: Any, identity: UUID) -> list[Membership]:
    """Where the person may choose to sign in, and where they could if it were not suspended."""
    found: list[Membership] = []
    async for tenant, user in users_of(db, identity):
        row = await db.fetchrow(
            "SELECT t.name, t.status = 'ACTIVE' AND u.status = 'ACTIVE' AS active FROM users u"
            " JOIN tenants t USING (tenant_id) WHERE u.tenant_id = $1 AND u.user_id = $2",
            tenant,
            user,
        )
        if row is not None:
            found.append(Membership(tenant, user, row["name"], row["active"]))
        if len(found) == MOST:
            break
    return found


async def active_member(db: Any, tenant: UUID, user: UUID, *, lock: bool = False) -> Member | None:
    """The user if they may sign in, in a transaction that speaks for the tenant. `lock` holds off whoever else changes
    the user or their sessions until its end."""
    row = await db.fetchrow(_ACTIVE_LOCKED if lock else _ACTIVE, tenant, user)
    if row is None:
        return None
    return Member(tenant, user, Role(row["role"]), row["full_name"], row["token_version"])
