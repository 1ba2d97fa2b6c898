"""Signing in with e-mail and password.

Until the password was right the same work is done, and the same is answered, whether there is such an account or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from edge.identity.attempts import Attempts
from edge.identity.credentials import Password, verified
from edge.identity.failed_logins import FailedLogins
from edge.identity.grant import Client, Grant, Granting, origin_checked
from edge.identity.memberships import Membership, active_member, memberships
from edge.identity.passwords import Busy, PasswordHashing
from edge.identity.sessions import Kind, Opened, open_session
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import scope, speak_for_identity
from kernel.http.fields import Email, normal_email
from kernel.http.operation import ANYBODY, Answer, Operation, Origin, PublicCall
from kernel.http.problem import Problem
from kernel.http.router import ACQUIRE_SECONDS
from kernel.tokens.authority import Authority


class Credentials(Unshown, frozen=True, kw_only=True):
    """Who signs in, and to which company if they are in several."""

    email: Email
    password: Password
    tenant_id: UUID | None = None
    client: Client = "native"


@dataclass(frozen=True, slots=True)
class _Account:
    """What an e-mail address led to."""

    identity: UUID
    password_hash: str = field(repr=False)
    verified: bool


class Login:
    """`POST /api/v1/auth/login`."""

    def __init__(
        self,
        pool: Any,
        *,
        hashing: PasswordHashing,
        attempts: Attempts,
        granting: Granting,
        authority: Authority,
        failed: FailedLogins,
        require_verified_email: bool,
    ) -> None:
        self._pool = pool
        self._hashing = hashing
        self._attempts = attempts
        self._granting = granting
        self._authority = authority
        self._failed = failed
        self._require_verified_email = require_verified_email

    def operations(self) -> list[Operation]:
        """Its routes."""
        problems = {
            "invalid_credentials": 401,
            "email_not_verified": 403,
            "account_suspended": 403,
            "origin_not_allowed": 403,
            "choose_tenant": 409,
            "too_many_attempts": 429,
            "busy": 503,
            "no_signing_key": 503,
        }
        return [Operation("POST", "/api/v1/auth/login", self.login, access=ANYBODY, tag="auth", problems=problems)]

    async def login(self, call: PublicCall[Credentials, None]) -> Answer[Grant]:
        """Sign in with e-mail and password.

        Somebody who is in several companies and names none is told them in `memberships` (409 `choose_tenant`). With
        client "browser" the refresh token is in the cookie `dojo_refresh` and not in the answer.
        """
        body, origin = call.body, call.origin
        kind = origin_checked(body.client, origin)
        email = normal_email(body.email)
        await self._attempts.login(email, origin)
        self._granting.check()
        account = await self._find(email)
        if not await verified(self._hashing, account.password_hash if account else None, body.password):
            self._failed.note(account.identity if account else None, origin)
            raise _invalid()
        assert account is not None  # nobody's password is never right
        if self._require_verified_email and not account.verified:
            raise Problem(403, "email_not_verified", "open the link in the mail that was sent to this address first")
        chosen = await self._chosen(account.identity, body.tenant_id)
        opened = await self._open(account, body.password, chosen, kind, origin)
        if opened.displaced:
            await self._authority.ring()
        return self._granting.answer(opened, origin)

    async def _find(self, email: str) -> _Account | None:
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity: UUID | None = await db.fetchval("SELECT identity_by_email($1)", email)
            asked = identity or uuid4()  # the same statements for nobody
            await speak_for_identity(db, asked)
            row = await db.fetchrow(
                "SELECT password_hash, email_verified_at IS NOT NULL AS verified FROM identities"
                " WHERE identity_id = $1 AND EXISTS (SELECT FROM identity_users($1))",
                asked,
            )
        return None if row is None else _Account(asked, row["password_hash"], row["verified"])

    async def _chosen(self, identity: UUID, wanted: UUID | None) -> Membership:
        """The company to sign in to. Only for whoever has shown the right password."""
        async with scope(self._pool, identity=identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            found = await memberships(db, identity)
        if wanted is not None:
            found = [one for one in found if one.tenant == wanted]
        if not found:
            raise _invalid()
        active = [one for one in found if one.active]
        if not active:
            raise _suspended()
        if len(active) > 1:
            companies = [{"tenantId": one.tenant, "companyName": one.company} for one in active]
            raise Problem(409, "choose_tenant", "name one of your companies in tenantId", memberships=companies)
        return active[0]

    async def _open(self, account: _Account, password: str, chosen: Membership, kind: Kind, origin: Origin) -> Opened:
        newer = await self._newer_hash(account.password_hash, password)
        async with scope(
            self._pool, tenant=chosen.tenant, identity=account.identity, acquire_seconds=ACQUIRE_SECONDS
        ) as db:
            # The password may have been changed since it was looked at, and then this session must not outlive that.
            current = await db.fetchval(
                "SELECT password_hash FROM identities WHERE identity_id = $1 FOR NO KEY UPDATE", account.identity
            )
            if current != account.password_hash:
                raise _invalid()
            if newer is not None:
                await db.execute(
                    "UPDATE identities SET password_hash = $2, updated_at = now() WHERE identity_id = $1",
                    account.identity,
                    newer,
                )
            return await enter(db, chosen.tenant, chosen.user, kind, origin)

    async def _newer_hash(self, known_hash: str, password: str) -> str | None:
        """The password's hash with today's parameters, where they differ. Never a reason not to sign in."""
        if not self._hashing.needs_rehash(known_hash):
            return None
        try:
            return await self._hashing.hash(password)
        except (Busy, ValueError):  # shorter than is taken today
            return None


async def enter(db: Any, tenant: UUID, user: UUID, kind: Kind, origin: Origin) -> Opened:
    """A session for somebody who has proven who they are, in a transaction that speaks for the tenant. Raises `Problem`
    403 unless they may sign in. Ring the bell after the commit if sessions were displaced."""
    member = await active_member(db, tenant, user, lock=True)
    if member is None:
        raise _suspended()
    opened = await open_session(db, member, kind, origin)
    await db.execute("UPDATE users SET last_login_at = now() WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    await audit.append(
        db,
        tenant=tenant,
        actor=user,
        action="session.opened",
        target=opened.session,
        origin=origin,
        details={"client": kind.value.lower()},
    )
    return opened


def _invalid() -> Problem:
    return Problem(401, "invalid_credentials", "e-mail or password is wrong")


def _suspended() -> Problem:
    return Problem(403, "account_suspended", "this account is suspended; ask your company's administrator")
