"""A tenant always has an administrator who can come in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kernel.http.operation import Role
from kernel.http.problem import Problem


def administers(role: str, status: str) -> bool:
    """Whether somebody with this role and status is an administrator who can come in."""
    return role == Role.ADMIN.value and status == "ACTIVE"


async def check_not_last(db: Any, tenant: UUID, user: UUID) -> None:
    """Under `quotas.lock_members`, before `user` ceases to be an administrator. Raises `Problem` 409."""
    others = await db.fetchval(
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND user_id <> $2 AND role = 'admin' AND status = 'ACTIVE'",
        tenant,
        user,
    )
    if not others:
        raise Problem(409, "last_admin", "this is the last active administrator; make somebody else one first")


async def withdraw_invitations(db: Any, tenant: UUID, user: UUID) -> int:
    """End the open invitations of somebody who is no administrator any more; how many there were.

    Whoever is about to lose their rights could otherwise keep a way in under another address.
    """
    ended = await db.fetch(
        "UPDATE invitations SET revoked_at = now() WHERE tenant_id = $1 AND invited_by = $2"
        " AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now() RETURNING invitation_id",
        tenant,
        user,
    )
    return len(ended)
