"""Proving that an e-mail address is one's own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from edge.identity import email_tokens, outbox
from edge.identity.attempts import Attempts
from edge.identity.credentials import email_of, invalid_email
from edge.identity.email_tokens import HOURS_TO_VERIFY, Purpose, invalid_token
from edge.identity.mail import messages
from edge.identity.mail.port import Mail, MailRefused
from edge.identity.memberships import users_of
from edge.identity.password_reset import Address
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import identity_scope, scope, speak_for_identity
from kernel.http.fields import Secret
from kernel.http.operation import ANYBODY, Operation, PublicCall
from kernel.http.router import ACQUIRE_SECONDS
from kernel.secrets import MasterKeys


class VerificationToken(Unshown, frozen=True, kw_only=True):
    """A token from the mail."""

    token: Secret


class EmailVerification:
    """`POST /api/v1/auth/email/verification` and `/api/v1/auth/email/verify`."""

    def __init__(self, pool: Any, attempts: Attempts, master: MasterKeys, *, base_url: str) -> None:
        self._pool = pool
        self._attempts = attempts
        self._master = master
        self._base_url = base_url

    def operations(self) -> list[Operation]:
        """Its routes."""
        path = "/api/v1/auth/email"
        asked = {"invalid_email": 400, "too_many_attempts": 429}
        return [
            Operation(
                "POST",
                f"{path}/verification",
                self.request_email_verification,
                access=ANYBODY,
                tag="auth",
                status=202,
                problems=asked,
            ),
            Operation(
                "POST",
                f"{path}/verify",
                self.verify_email,
                access=ANYBODY,
                tag="auth",
                status=204,
                problems={"invalid_token": 400},
            ),
        ]

    async def request_email_verification(self, call: PublicCall[Address, None]) -> None:
        """Ask for another mail with which an e-mail address is verified.

        The answer is the same whether there is such an account, verified or not, or none.
        """
        email = email_of(call.body.email)
        await self._attempts.mail("verify", email, call.origin)
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity: UUID | None = await db.fetchval("SELECT identity_by_email($1)", email)
            asked = identity or uuid4()  # the same statements for nobody
            await speak_for_identity(db, asked)
            wanted = await db.fetchval(
                "SELECT true FROM identities WHERE identity_id = $1 AND email_verified_at IS NULL", asked
            )
            holder = asked if wanted else None
            await speak_for_identity(db, holder)
            token = await email_tokens.issue(db, Purpose.VERIFY, holder)
            await outbox.put(db, self._master, self._mail(email, token), wanted=holder is not None)

    async def send_first(self, db: Any, email: str, identity: UUID) -> None:
        """The mail to somebody who has just signed up, in the transaction that makes them. Raises `Problem` 400 for an
        address that no mail can go to."""
        token = await email_tokens.issue(db, Purpose.VERIFY, identity)
        await outbox.put(db, self._master, self._mail(email, token))

    async def verify_email(self, call: PublicCall[VerificationToken, None]) -> None:
        """Verify an e-mail address with the token from the mail."""
        token = call.body.token
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity = await email_tokens.holder(db, Purpose.VERIFY, token)
        if identity is None:
            raise invalid_token()
        async with identity_scope(self._pool, identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            if not await email_tokens.use(db, Purpose.VERIFY, identity, token):
                raise invalid_token()
            await db.execute(
                "UPDATE identities SET email_verified_at = coalesce(email_verified_at, now()), updated_at = now()"
                " WHERE identity_id = $1",
                identity,
            )
            async for tenant, user in users_of(db, identity):
                await audit.append(
                    db, tenant=tenant, actor=user, action="user.email_verified", target=user, origin=call.origin
                )

    def _mail(self, email: str, token: str) -> Mail:
        try:
            return messages.verification(email, base_url=self._base_url, token=token, hours=HOURS_TO_VERIFY)
        except MailRefused:
            raise invalid_email() from None
