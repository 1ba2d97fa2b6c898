"""The outside OpenID issuers of a company, as its administrators register them.

An issuer and a client of it belong to one company. That pair is all that decides where somebody goes: no claim of the
token is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.identity import quotas
from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from edge.identity.oidc.registration import OperatorIssuers
from edge.identity.oidc.url import ISSUER_CHARACTERS, UrlRefused
from edge.identity.outside_people import lock_issuer
from kernel import audit
from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.operation import ADMINS, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, busy, not_found, too_many

MOST: Final = 20
"""Issuers of one company."""
PER_TENANT: Final = Bucket(20, 20 / 3600)
"""Issuers checked for one company: each makes this server ask another one that somebody chose."""
CHECK_SECONDS: Final = 4.0
"""For an issuer to show itself. The request's database connection waits with it, for less than its 5 s limit."""
CHECKS_AT_ONCE: Final = 2
"""Of one process, so that slow issuers do not keep the database connections of everybody else's requests."""

_UNREACHED: Final = frozenset({Fault.UNKNOWN_HOST, Fault.ADDRESS, Fault.UNREACHABLE, Fault.TIMEOUT})
"""Told as one: apart, they would describe the network that this server stands in."""
_UNREACHED_REASON: Final = "does_not_answer"

FirstRole = Literal["host", "member", "guest"]


class NewIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`issuer` exactly as its tokens say `iss`; `client_id` is the app whose tokens are taken. `default_role` is the
    role of somebody who comes for the first time."""

    issuer: Annotated[str, Meta(min_length=1, max_length=ISSUER_CHARACTERS, pattern=r"^[\x21-\x7e]*$(?!\n)")]
    client_id: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]*$(?!\n)")]
    default_role: FirstRole = "member"


class IssuerView(msgspec.Struct, frozen=True, rename="camel"):
    """An issuer whose people come in here."""

    issuer_id: UUID
    issuer: str
    client_id: str
    default_role: FirstRole
    created_at: datetime


class IssuerQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    sort_by: Literal["createdAt", "issuer"] = "createdAt"


_COLUMNS: Final = "issuer_id, issuer, client_id, default_role, created_at"
_ORDER: Final = {"createdAt": "created_at", "issuer": "issuer"}


class Issuers:
    """The routes of a company's issuers."""

    def __init__(
        self,
        outside: OutsideTokens,
        operators: OperatorIssuers,
        buckets: Buckets,
        ring: Callable[[], Awaitable[None]],
    ) -> None:
        """`ring` makes every process look at what was revoked."""
        self._outside = outside
        self._operators = operators
        self._buckets = buckets
        self._ring = ring
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)

    def operations(self) -> list[Operation]:
        """Its routes."""
        path, tag = "/api/v1/issuers", "issuers"
        problems = {
            "invalid_issuer": 400,
            "issuer_unusable": 400,
            "issuer_taken": 409,
            "quota_exceeded": 409,
            "busy": 503,
        }
        return [
            Operation(
                "POST",
                path,
                self.register_issuer,
                access=ADMINS,
                tag=tag,
                status=201,
                problems=problems,
                idempotent=True,
                cost=5.0,
            ),
            Operation("GET", path, self.list_issuers, access=ADMINS, tag=tag),
            Operation("DELETE", path + "/{issuerId}", self.remove_issuer, access=ADMINS, tag=tag, status=204),
        ]

    async def register_issuer(self, call: Call[NewIssuer, None]) -> IssuerView:
        """Let the people of an identity provider come in.

        The issuer is asked for its configuration and its keys first. If they cannot be had (400 `issuer_unusable`),
        `reason` says why.
        """
        db, caller, new = call.db, call.caller, call.body
        await self._check(caller.tenant, new)
        await lock_issuer(db, caller.tenant, new.issuer, alone=True)
        await quotas.lock_members(db, caller.tenant)
        there_are = await db.fetchval("SELECT count(*) FROM issuers WHERE tenant_id = $1", caller.tenant)
        if there_are >= MOST:
            raise Problem(409, "quota_exceeded", f"a company has {MOST} issuers at most; remove one first")
        row = await db.fetchrow(
            "INSERT INTO issuers (tenant_id, issuer, client_id, default_role) VALUES ($1, $2, $3, $4)"  # noqa: S608 - a constant
            f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
            caller.tenant,
            new.issuer,
            new.client_id,
            new.default_role,
        )
        if row is None:
            raise _taken()
        await _note(call, "issuer.registered", row)
        return _view(row)

    async def list_issuers(self, call: Call[None, IssuerQuery]) -> Page[IssuerView]:
        """The company's issuers."""
        query, tenant = call.query, call.caller.tenant
        total = await call.db.fetchval("SELECT count(*) FROM issuers WHERE tenant_id = $1", tenant)
        rows = await call.db.fetch(
            f"SELECT {_COLUMNS} FROM issuers WHERE tenant_id = $1"  # noqa: S608 - constants
            f" ORDER BY {_ORDER[query.sort_by]} {query.sort_order}, issuer_id LIMIT $2 OFFSET $3",
            tenant,
            query.page_size,
            query.offset,
        )
        return page_of([_view(row) for row in rows], query, total)

    async def remove_issuer(self, call: Call[None, None]) -> None:
        """Let nobody come in through an issuer any more.

        Its people are signed out within seconds. They stay users of the company, and are the same ones should the
        issuer be registered again.
        """
        db, tenant, issuer_id = call.db, call.caller.tenant, call.ids["issuerId"]
        issuer = await db.fetchval(
            "SELECT issuer FROM issuers WHERE tenant_id = $1 AND issuer_id = $2", tenant, issuer_id
        )
        if issuer is None:
            raise not_found()
        await lock_issuer(db, tenant, issuer, alone=True)
        row = await db.fetchrow(
            f"DELETE FROM issuers WHERE tenant_id = $1 AND issuer_id = $2 RETURNING {_COLUMNS}",  # noqa: S608 - a constant
            tenant,
            issuer_id,
        )
        if row is None:
            raise not_found()
        # Through which of an issuer's clients a session was opened is not kept: whoever still may comes in again.
        await db.execute(
            "UPDATE sessions SET revoked_at = clock_timestamp() WHERE tenant_id = $1 AND revoked_at IS NULL"
            " AND user_id IN (SELECT user_id FROM external_identities WHERE tenant_id = $1 AND issuer = $2)",
            tenant,
            issuer,
        )
        await _note(call, "issuer.removed", row)
        call.after_commit(self._ring)

    async def _check(self, tenant: UUID, new: NewIssuer) -> None:
        """Raises `Problem` unless the issuer is one, and shows itself."""
        if self._operators.find(new.issuer, new.client_id) is not None:
            raise _taken()
        wait = await self._buckets.take(Draw("issuer.check", str(tenant), PER_TENANT))
        if wait > 0:
            raise too_many(wait, "too many issuers; wait and try again")
        if self._checks.locked():
            raise _busy()
        try:
            async with self._checks, asyncio.timeout(CHECK_SECONDS):
                await self._outside.check_issuer(new.issuer)
        except UrlRefused as refused:
            raise Problem(400, "invalid_issuer", f"this is no issuer: {refused}") from None
        except TimeoutError:
            raise _unusable(_UNREACHED_REASON) from None
        except IssuerUnavailable as error:
            if error.reason is Fault.BUSY:
                raise _busy() from None
            raise _unusable(_UNREACHED_REASON if error.reason in _UNREACHED else error.reason.value) from None


def _taken() -> Problem:
    return Problem(409, "issuer_taken", "this client of this issuer is registered already")


def _unusable(reason: str) -> Problem:
    detail = "the issuer does not show a configuration and keys that can be used"
    return Problem(400, "issuer_unusable", f"{detail}: {reason}", reason=reason)


def _busy() -> Problem:
    return busy("busy", "other issuers are being checked at this moment; try again")


async def _note(call: Call[Any, None], action: str, row: Any) -> None:
    details = {"issuer": row["issuer"], "client_id": row["client_id"], "default_role": row["default_role"]}
    await audit.note(call, action, row["issuer_id"], details)


def _view(row: Any) -> IssuerView:
    return IssuerView(row["issuer_id"], row["issuer"], row["client_id"], row["default_role"], row["created_at"])
