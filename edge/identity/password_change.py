"""Changing one's password while signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from edge.identity.attempts import Attempts
from edge.identity.credentials import Password, check_choice, hashed, verified
from edge.identity.memberships import users_of
from edge.identity.passwords import PasswordHashing
from edge.identity.sessions import end_sessions
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import speak_for_identity
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import Problem
from kernel.tokens.authority import Authority


class PasswordExchange(Unshown, frozen=True, kw_only=True):
    """The password until now, and from now on."""

    current_password: Password
    new_password: Password


class PasswordChange:
    """`POST /api/v1/auth/password`."""

    def __init__(self, hashing: PasswordHashing, attempts: Attempts, authority: Authority) -> None:
        self._hashing = hashing
        self._attempts = attempts
        self._authority = authority

    def operations(self) -> list[Operation]:
        """Its route."""
        problems = {
            "weak_password": 400,
            "wrong_password": 403,
            "no_password": 409,
            "too_many_attempts": 429,
            "busy": 503,
        }
        return [
            Operation(
                "POST",
                "/api/v1/auth/password",
                self.change_password,
                access=SIGNED_IN,
                tag="auth",
                status=204,
                problems=problems,
            )
        ]

    async def change_password(self, call: Call[PasswordExchange, None]) -> None:
        """Change one's password.

        It signs the person out everywhere else, in all their companies.
        """
        caller, db, body = call.caller, call.db, call.body
        await self._attempts.password(str(caller.user), call.origin)
        identity = await check_current_password(db, self._hashing, caller.tenant, caller.user, body.current_password)
        row = await db.fetchrow(
            "SELECT i.email, u.full_name FROM identities i JOIN users u USING (identity_id)"
            " WHERE i.identity_id = $1 AND u.tenant_id = $2",
            identity,
            caller.tenant,
        )
        check_choice(body.new_password, email=row["email"], full_name=row["full_name"])
        password_hash = await hashed(self._hashing, body.new_password)
        await db.execute(
            "UPDATE identities SET password_hash = $2, updated_at = now() WHERE identity_id = $1",
            identity,
            password_hash,
        )
        async for tenant, user in users_of(db, identity):
            await end_sessions(db, tenant, user, but=caller.session)
            await audit.append(
                db, tenant=tenant, actor=user, action="user.password_changed", target=user, origin=call.origin
            )
        call.after_commit(self._authority.ring)


async def check_current_password(db: Any, hashing: PasswordHashing, tenant: UUID, user: UUID, password: str) -> UUID:
    """The identity of somebody signed in who shows their password once more; from here on the transaction speaks for
    it too. Limit the attempts before. Raises `Problem`: 403 `wrong_password`; 409 `no_password` for somebody who
    only comes through an outside provider; 503."""
    identity: UUID | None = await db.fetchval(
        "SELECT identity_id FROM users WHERE tenant_id = $1 AND user_id = $2", tenant, user
    )
    if identity is None:
        raise Problem(409, "no_password", "this account has no password here: it signs in through another provider")
    await speak_for_identity(db, identity)
    stored = await db.fetchval(
        "SELECT password_hash FROM identities WHERE identity_id = $1 FOR NO KEY UPDATE", identity
    )
    if not await verified(hashing, stored, password):
        # Not 401: the token is good, and nobody must be signed out for a typing error.
        raise Problem(403, "wrong_password", "the password is wrong")
    return identity
