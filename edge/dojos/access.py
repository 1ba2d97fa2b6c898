"""Who may know of a dojo, and who may run it.

A public dojo is everybody's in the tenant; a private one its participants', the invited ones' and the administrators'.
For everybody else it does not exist. It is run by who created it, and by administrators.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from kernel.database import speak_for_identity
from kernel.http.operation import Call, Role
from kernel.http.problem import Problem, not_found

OPEN_INVITATION: Final = "i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()"
VISIBLE: Final = (
    "(d.creator_id = $2 OR $3 OR (NOT d.is_private OR EXISTS (SELECT"  # noqa: S608 - constants
    "   FROM dojo_participants p"
    "   WHERE p.tenant_id = $1 AND p.dojo_id = d.dojo_id AND p.user_id = $2 AND p.status IN ('WAITING', 'ADMITTED'))"
    "  OR EXISTS (SELECT FROM dojo_invitations i WHERE i.tenant_id = $1 AND i.dojo_id = d.dojo_id AND i.email = $4"
    f"  AND {OPEN_INVITATION})) AND NOT EXISTS (SELECT FROM dojo_participants b"
    "   WHERE b.tenant_id = $1 AND b.dojo_id = d.dojo_id AND b.user_id = $2 AND b.status = 'BANNED'))"
)
"""Of a row `d` of dojos; $1 to $4 as `viewer` gives them."""


async def viewer(call: Call[Any, Any]) -> tuple[UUID, UUID, bool, str | None]:
    """Who looks: tenant, user, whether an administrator, and their proven e-mail."""
    caller = call.caller
    if caller.role is Role.ADMIN:
        return caller.tenant, caller.user, True, None
    return caller.tenant, caller.user, False, await proven_email(call.db, caller.tenant, caller.user)


async def proven_email(db: Any, tenant: UUID, user: UUID) -> str | None:
    """The e-mail of which `user` has proven that it is theirs: by a mail, or by their identity provider."""
    me = await db.fetchrow("SELECT identity_id, email FROM users WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    if me is None:
        return None
    if me["identity_id"] is not None:
        await speak_for_identity(db, me["identity_id"])
        verified = await db.fetchval(
            "SELECT email_verified_at IS NOT NULL FROM identities WHERE identity_id = $1", me["identity_id"]
        )
        await speak_for_identity(db, None)
        if not verified:
            return None
    return str(me["email"]) if me["email"] is not None else None


async def invited(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> bool:
    """Whether `user` has an invitation that is still good."""
    invitations = await db.fetch(
        "SELECT i.email FROM dojo_invitations i"  # noqa: S608 - a constant
        f" WHERE i.tenant_id = $1 AND i.dojo_id = $2 AND {OPEN_INVITATION}"
        " AND i.email = (SELECT u.email FROM users u WHERE u.tenant_id = $1 AND u.user_id = $3)",
        tenant,
        dojo,
        user,
    )
    return bool(invitations) and await proven_email(db, tenant, user) == invitations[0]["email"]


async def seen(call: Call[Any, Any]) -> Any:
    """The row of the dojo that the path names. Raises `Problem` 404, also if the caller may not know of it."""
    row = await call.db.fetchrow(
        f"SELECT d.* FROM dojos d WHERE d.tenant_id = $1 AND d.dojo_id = $5 AND {VISIBLE}",  # noqa: S608 - a constant
        *await viewer(call),
        call.ids["dojoId"],
    )
    if row is None:
        raise not_found()
    return row


async def managed(call: Call[Any, Any]) -> Any:
    """The row of the dojo that the path names, locked, for who may run it. Raises `Problem`: 404, 403."""
    row = await call.db.fetchrow(
        "SELECT * FROM dojos WHERE tenant_id = $1 AND dojo_id = $2 FOR NO KEY UPDATE",
        call.caller.tenant,
        call.ids["dojoId"],
    )
    if row is None:
        raise not_found()
    if not runs(call, row):
        await seen(call)
        raise Problem(403, "not_host", "only the host and administrators may do this")
    return row


def runs(call: Call[Any, Any], dojo: Any) -> bool:
    """Whether the caller may run `dojo`, a row."""
    return bool(dojo["creator_id"] == call.caller.user or call.caller.role is Role.ADMIN)
