"""Signing in with a token of an outside OpenID issuer, which becomes a session of our own.

Whatever is wrong with the token or its issuer, the answer is the same: it tells nobody which issuers are registered
here. The reason is in the log, and in the audit log of the tenant that was meant.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta

from edge.identity.audit_later import AuditLater
from edge.identity.grant import Client, Grant, Granting, origin_checked
from edge.identity.login import enter
from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.refusals import IssuerUnavailable, TokenRefused
from edge.identity.oidc.registration import OperatorIssuers, Registration
from edge.identity.oidc.signed import TOKEN_BYTES
from edge.identity.oidc.verify import OutsidePerson
from edge.identity.outside_people import Denial, NotAdmitted, admit, tenant_of
from edge.identity.refused_exchanges import RefusedExchanges
from edge.identity.sessions import Kind, Opened
from edge.identity.token_use import take
from edge.identity.unshown import Unshown
from kernel.buckets import Bucket, Buckets, Draw
from kernel.database import scope
from kernel.http.fields import Secret
from kernel.http.operation import ANYBODY, Answer, Operation, Origin, PublicCall
from kernel.http.problem import Problem, too_many
from kernel.http.router import ACQUIRE_SECONDS
from kernel.network import prefix_of
from kernel.tokens.authority import Authority

BODY_BYTES: Final = 20 * 1024
"""The longest token that is taken, a nonce, and the JSON around them."""
PER_NETWORK: Final = Bucket(60, 1.0)
"""Exchanges of one network address: a company's people come in the morning, from behind one. Each may cost a check of a
signature (some 50 us)."""


class OutsideToken(Unshown, frozen=True, kw_only=True):
    """What the issuer gave: an ID token, or Cognito's access token. With `nonce` the token must hold the same."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_BYTES)]
    nonce: Secret | None = None
    client: Client = "native"


class OidcExchange:
    """`POST /api/v1/auth/oidc/exchange`."""

    def __init__(
        self,
        pool: Any,
        outside: OutsideTokens,
        operators: OperatorIssuers,
        granting: Granting,
        authority: Authority,
        *,
        buckets: Buckets,
        later: AuditLater,
    ) -> None:
        """`pool` has connections of the services' role. `outside` and `later` stay the caller's to close."""
        self._pool = pool
        self._outside = outside
        self._operators = operators
        self._granting = granting
        self._authority = authority
        self._buckets = buckets
        self._refused = RefusedExchanges(pool, buckets, later)

    def operations(self) -> list[Operation]:
        """Its route."""
        problems = {
            "token_refused": 401,
            "account_suspended": 403,
            "origin_not_allowed": 403,
            "quota_exceeded": 409,
            "no_signing_key": 503,
        }
        return [
            Operation(
                "POST",
                "/api/v1/auth/oidc/exchange",
                self.exchange_outside_token,
                access=ANYBODY,
                tag="auth",
                problems=problems,
                body_bytes=BODY_BYTES,
            )
        ]

    async def exchange_outside_token(self, call: PublicCall[OutsideToken, None]) -> Answer[Grant]:
        """Sign in with a token of the company's identity provider.

        The issuer and the client it issued the token to are registered by an administrator of the company, or by the
        operator. Somebody who comes for the first time becomes a user of the company. A token is taken once; sent again
        within 30 seconds it is taken again, so a lost answer keeps nobody out.
        """
        body, origin = call.body, call.origin
        kind = origin_checked(body.client, origin)
        wait = await self._buckets.take(Draw("oidc.network", prefix_of(origin.network), PER_NETWORK))
        if wait > 0:
            raise too_many(wait)
        self._granting.check()
        lookup = _Lookup(self._pool, self._operators)
        try:
            person = await self._outside.verify(body.token, lookup, body.nonce)
            lookup.tenant = tenant_of(person)
            opened = await self._open(lookup.tenant, person, body.token, kind, origin)
        except (TokenRefused, IssuerUnavailable, NotAdmitted) as refused:
            known = lookup.tenant if refused.reason is not Denial.UNKNOWN_TENANT else None
            self._refused.note(refused.reason.value, origin, issuer=lookup.issuer, tenant=known)
            raise Problem(401, "token_refused", "this token is not taken; sign in at your company again") from None
        if opened.displaced:
            await self._authority.ring()
        return self._granting.answer(opened, origin)

    async def _open(self, tenant: UUID, person: OutsidePerson, token: str, kind: Kind, origin: Origin) -> Opened:
        async with scope(self._pool, tenant=tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            if not await take(db, tenant, token):
                raise NotAdmitted(Denial.USED_BEFORE)
            user = await admit(db, tenant, person, origin)
            return await enter(db, tenant, user, kind, origin)


class _Lookup:
    """Who registered an issuer and a client, and what was learned of that by the way."""

    def __init__(self, pool: Any, operators: OperatorIssuers) -> None:
        self._pool = pool
        self._operators = operators
        self.issuer: str | None = None
        """Only if it is registered."""
        self.tenant: UUID | None = None

    async def __call__(self, issuer: str, client_id: str) -> Registration | None:
        found = self._operators.find(issuer, client_id) or await self._of_tenant(issuer, client_id)
        if found is not None:
            self.issuer, self.tenant = found.issuer, found.tenant
        return found

    async def _of_tenant(self, issuer: str, client_id: str) -> Registration | None:
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            row = await db.fetchrow("SELECT tenant_id FROM issuer_tenants($1, $2)", issuer, [client_id])
        return Registration(issuer, client_id, row["tenant_id"]) if row is not None else None
