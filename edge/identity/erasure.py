"""A person leaves a tenant for good: what was theirs is erased, what others refer to keeps an id without a person.

The row of the user stays, nameless: rooms, chats and the audit log say who did something by that id. The login (e-mail,
password) goes with the last membership, in whatever tenant that was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from edge.identity import admins, quotas
from edge.identity.attempts import Attempts
from edge.identity.credentials import Password
from edge.identity.password_change import check_current_password
from edge.identity.passwords import PasswordHashing
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import speak_for_identity
from kernel.http.operation import ADMINS, SIGNED_IN, Call, Operation, Origin
from kernel.http.problem import not_found

REMOVED_NAME: Final = "Removed user"
REMOVED_EMAIL: Final = "removed"
"""In the place of the address of an invitation: it can be nobody's, having no @."""

Forget: TypeAlias = Callable[[Any, UUID, UUID, str | None], Awaitable[None]]
"""Erases what somebody else keeps of a person, in the same transaction: the connection, tenant, user and e-mail."""


class Farewell(Unshown, frozen=True, kw_only=True):
    """The caller's password. People who come through their company's identity provider have none and leave it out."""

    password: Password | None = None


class Removal:
    """People leave: by themselves, or because an administrator says so."""

    def __init__(
        self,
        hashing: PasswordHashing,
        attempts: Attempts,
        ring: Callable[[], Awaitable[None]],
        forget: Sequence[Forget] = (),
    ) -> None:
        """`ring` makes every process look at what was revoked. `forget` is asked for everybody who is removed."""
        self._hashing = hashing
        self._attempts = attempts
        self._ring = ring
        self._forget = forget

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "DELETE",
                "/api/v1/users/me",
                self.delete_me,
                access=SIGNED_IN,
                tag="users",
                status=204,
                problems={"wrong_password": 403, "last_admin": 409, "too_many_attempts": 429, "busy": 503},
                cost=5.0,
            ),
            Operation(
                "DELETE",
                "/api/v1/users/{userId}",
                self.remove_user,
                access=ADMINS,
                tag="users",
                status=204,
                problems={"last_admin": 409},
            ),
        )

    async def delete_me(self, call: Call[Farewell, None]) -> None:
        """Leave the company and erase what is known about oneself there.

        Sessions end, name and e-mail are erased; the login goes too unless it belongs to another company as well. What
        was written in rooms stays, without a name. It cannot be undone.
        """
        caller = call.caller
        await self._check_password(call)
        await remove_person(
            call.db, tenant=caller.tenant, user=caller.user, actor=caller.user, origin=call.origin, forget=self._forget
        )
        call.after_commit(self._ring)

    async def remove_user(self, call: Call[None, None]) -> None:
        """Remove somebody from the company and erase what is known about them there.

        As if they had left themselves, but for who they are at the company's identity provider: that is kept to refuse
        them there, until it is forgotten.
        """
        caller, user = call.caller, call.ids["userId"]
        await remove_person(
            call.db, tenant=caller.tenant, user=user, actor=caller.user, origin=call.origin, forget=self._forget
        )
        call.after_commit(self._ring)

    async def _check_password(self, call: Call[Farewell, None]) -> None:
        caller, db = call.caller, call.db
        if await db.fetchval(
            "SELECT identity_id IS NULL FROM users WHERE tenant_id = $1 AND user_id = $2", caller.tenant, caller.user
        ):
            return
        await self._attempts.password(str(caller.user), call.origin)
        await check_current_password(db, self._hashing, caller.tenant, caller.user, call.body.password or "")


async def remove_person(
    db: Any, *, tenant: UUID, user: UUID, actor: UUID, origin: Origin, forget: Sequence[Forget] = ()
) -> None:
    """Erase the person behind `user`, in the transaction of `db`, which speaks for `tenant`.

    Raises `Problem`: 404 for nobody and for somebody removed before, 409 for the last administrator.
    """
    identity = await db.fetchval("SELECT identity_id FROM users WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    if identity is not None:
        # Login, then tenant, then user: everybody locks in this order. A membership that another transaction is just
        # adding holds a share of the login: it is there, or fails, before we look whether there is any.
        await speak_for_identity(db, identity)
        await db.execute("SELECT FROM identities WHERE identity_id = $1 FOR UPDATE", identity)
    await quotas.lock_members(db, tenant)
    row = await db.fetchrow(
        "SELECT email, role, status FROM users WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE",
        tenant,
        user,
    )
    if row is None or row["status"] == "REMOVED":
        raise not_found()
    if admins.administers(row["role"], row["status"]):
        await admins.check_not_last(db, tenant, user)
    # The trigger raises the token version: access tokens end. The sessions' end stops refreshing.
    await db.execute(
        "UPDATE users SET status = 'REMOVED', full_name = $3, email = NULL, identity_id = NULL, last_login_at = NULL,"
        " updated_at = now() WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
        REMOVED_NAME,
    )
    await db.execute(
        "UPDATE sessions SET revoked_at = coalesce(revoked_at, now()), user_agent = NULL, network = NULL"
        " WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
    )
    if actor == user:
        # Somebody whom an administrator removed would be back with the next token of their provider.
        await db.execute("DELETE FROM external_identities WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    await db.execute("DELETE FROM idempotency_keys WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    await admins.withdraw_invitations(db, tenant, user)
    if row["email"] is not None:
        # Those that brought the person here, and open ones, which would bring them back.
        await db.execute(
            "UPDATE invitations SET email = $3,"
            " revoked_at = CASE WHEN accepted_at IS NULL THEN coalesce(revoked_at, now()) ELSE revoked_at END"
            " WHERE tenant_id = $1 AND email = $2",
            tenant,
            row["email"],
            REMOVED_EMAIL,
        )
    for each in forget:
        await each(db, tenant, user, row["email"])
    if identity is not None and not await db.fetchval("SELECT EXISTS (SELECT FROM identity_users($1))", identity):
        await db.execute("DELETE FROM identities WHERE identity_id = $1", identity)
    details = {"self": actor == user}
    await audit.append(
        db, tenant=tenant, actor=actor, action="user.removed", target=user, origin=origin, details=details
    )
