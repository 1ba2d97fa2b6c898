"""How many people a tenant may have, and the lock under which its membership changes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kernel.http.problem import Problem


async def lock_members(db: Any, tenant: UUID) -> bool:
    """Let nobody else change who is a member, or what, until the transaction of `db` ends. Whether the tenant is in
    use: neither suspended nor being erased.

    Rules that speak of several members at once (a seat is free, an administrator remains) hold only under this lock.
    Take it after the row of an identity and before that of a user: who locks in one order never waits in a circle.
    References to the tenant do not wait for it.
    """
    status = await db.fetchval("SELECT status FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE", tenant)
    return bool(status == "ACTIVE")


async def seats(db: Any, tenant: UUID) -> tuple[int, int]:
    """Seats taken, and seats there are. An open invitation holds a seat, a removed person none."""
    row = await db.fetchrow(
        "SELECT t.max_users,"
        " (SELECT count(*) FROM users u WHERE u.tenant_id = $1 AND u.status IN ('ACTIVE', 'SUSPENDED'))"
        " + (SELECT count(*) FROM invitations i WHERE i.tenant_id = $1 AND i.accepted_at IS NULL"
        "    AND i.revoked_at IS NULL AND i.expires_at > clock_timestamp()) AS taken"
        " FROM tenants t WHERE t.tenant_id = $1",
        tenant,
    )
    return int(row["taken"]), int(row["max_users"])


async def check_seat(db: Any, tenant: UUID) -> None:
    """Under `lock_members`, before somebody is added who was not invited. Raises `Problem` 409."""
    taken, there_are = await seats(db, tenant)
    if taken >= there_are:
        raise Problem(
            409, "quota_exceeded", f"all {there_are} seats are taken, open invitations included; free one of them"
        )
