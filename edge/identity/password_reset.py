"""A forgotten password: a link is mailed, and whoever opens it chooses another one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from edge.identity import email_tokens, outbox
from edge.identity.attempts import Attempts
from edge.identity.credentials import Password, check_choice, email_of, hashed, invalid_email
from edge.identity.email_tokens import HOURS_TO_RESET, Purpose, invalid_token
from edge.identity.mail import messages
from edge.identity.mail.port import MailRefused
from edge.identity.memberships import users_of
from edge.identity.passwords import PasswordHashing
from edge.identity.sessions import end_sessions
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import identity_scope, scope, speak_for_identity
from kernel.http.fields import Email, Secret
from kernel.http.operation import ANYBODY, Operation, PublicCall
from kernel.http.router import ACQUIRE_SECONDS
from kernel.secrets import MasterKeys
from kernel.tokens.authority import Authority


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to write to."""

    email: Email


class NewPassword(Unshown, frozen=True, kw_only=True):
    """A token from the mail, and the password to have from now on."""

    token: Secret
    new_password: Password


class PasswordReset:
    """`POST /api/v1/auth/password/reset` and `.../reset/confirm`."""

    def __init__(
        self,
        pool: Any,
        *,
        hashing: PasswordHashing,
        attempts: Attempts,
        master: MasterKeys,
        authority: Authority,
        base_url: str,
    ) -> None:
        self._pool = pool
        self._hashing = hashing
        self._attempts = attempts
        self._master = master
        self._authority = authority
        self._base_url = base_url

    def operations(self) -> list[Operation]:
        """Its routes."""
        path = "/api/v1/auth/password/reset"
        asked = {"invalid_email": 400, "too_many_attempts": 429}
        confirmed = {"invalid_token": 400, "weak_password": 400, "busy": 503}
        return [
            Operation(
                "POST", path, self.request_password_reset, access=ANYBODY, tag="auth", status=202, problems=asked
            ),
            Operation(
                "POST",
                f"{path}/confirm",
                self.reset_password,
                access=ANYBODY,
                tag="auth",
                status=204,
                problems=confirmed,
            ),
        ]

    async def request_password_reset(self, call: PublicCall[Address, None]) -> None:
        """Ask for a mail with which a new password can be chosen.

        The answer is the same whether there is such an account or not; the mail tells.
        """
        email = email_of(call.body.email)
        await self._attempts.mail("reset", email, call.origin)
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity: UUID | None = await db.fetchval("SELECT identity_by_email($1)", email)
            await speak_for_identity(db, identity)
            token = await email_tokens.issue(db, Purpose.RESET, identity)
            try:
                if identity is not None:
                    mail = messages.password_reset(email, base_url=self._base_url, token=token, hours=HOURS_TO_RESET)
                else:
                    mail = messages.password_reset_without_account(email, base_url=self._base_url)
            except MailRefused:
                raise invalid_email() from None
            await outbox.put(db, self._master, mail)

    async def reset_password(self, call: PublicCall[NewPassword, None]) -> None:
        """Choose a new password with the token from the mail.

        It signs the person out everywhere, and it proves that the e-mail address is theirs.
        """
        token = call.body.token
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity = await email_tokens.holder(db, Purpose.RESET, token)
        if identity is None:
            raise invalid_token()
        async with identity_scope(self._pool, identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            email = await db.fetchval("SELECT email FROM identities WHERE identity_id = $1", identity)
            if email is None or not await email_tokens.good(db, Purpose.RESET, token):
                raise invalid_token()
        # Before the token is used: who chose badly may try again.
        check_choice(call.body.new_password, email=email, full_name="")
        password_hash = await hashed(self._hashing, call.body.new_password)
        async with identity_scope(self._pool, identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            # The person's row before their sessions, as signing in does it.
            await db.execute(
                "UPDATE identities SET password_hash = $2, updated_at = now(),"
                " email_verified_at = coalesce(email_verified_at, now()) WHERE identity_id = $1",
                identity,
                password_hash,
            )
            if not await email_tokens.use(db, Purpose.RESET, identity, token):
                raise invalid_token()
            async for tenant, user in users_of(db, identity):
                await end_sessions(db, tenant, user)
                await audit.append(
                    db, tenant=tenant, actor=user, action="user.password_reset", target=user, origin=call.origin
                )
        await self._authority.ring()
