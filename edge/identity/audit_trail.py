"""The audit log of a company, for its administrators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from kernel.audit import ACTION_CHARACTERS
from kernel.http.fields import Instant
from kernel.http.operation import ADMINS, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem

COUNTED: Final = 100_000
"""Entries counted for `totalItems`: a log of years is not counted through for each page of it ."""

Action = Annotated[str, Meta(max_length=ACTION_CHARACTERS, pattern=r"^[a-z_.]*$")]


class AuditEntry(msgspec.Struct, frozen=True, rename="camel"):
    """Something that was done. `actorId` is null if nobody was signed in."""

    audit_id: UUID
    at: Instant
    actor_id: UUID | None
    action: str
    target_id: UUID | None
    network: str | None
    request_id: str | None
    details: dict[str, str | int | bool | None]


class AuditQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`from` is included, `to` is not. More than 100,000 entries are counted as so many: narrow it down by time."""

    action: Action | None = None
    actor_id: UUID | None = None
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None
    sort_by: Literal["at"] = "at"


_COLUMNS: Final = "audit_id, at, actor_id, action, target_id, network, request_id, details"
_WHERE: Final = (
    " FROM audit_log WHERE tenant_id = $1 AND ($2::text IS NULL OR action = $2) AND ($3::uuid IS NULL OR actor_id = $3)"
    " AND at >= coalesce($4::timestamptz, '-infinity') AND at < coalesce($5::timestamptz, 'infinity')"
)


class AuditTrail:
    """Reading the audit log. Nothing changes it."""

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET", "/api/v1/audit", self.list_audit, access=ADMINS, tag="audit", problems={"invalid_query": 400}
            ),
        )

    async def list_audit(self, call: Call[None, AuditQuery]) -> Page[AuditEntry]:
        """Who did what that matters in the company."""
        query = call.query
        given = (call.caller.tenant, query.action, query.actor_id, _utc(query.from_), _utc(query.to))
        total = await call.db.fetchval(
            f"SELECT count(*) FROM (SELECT{_WHERE} LIMIT {COUNTED}) counted",  # noqa: S608 - all of it is written above
            *given,
        )
        rows = await call.db.fetch(
            f"SELECT {_COLUMNS}{_WHERE} ORDER BY at {query.sort_order}, audit_id LIMIT $6 OFFSET $7",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([entry_of(row) for row in rows], query, total)


def entry_of(row: Any) -> AuditEntry:
    """A row of `audit_log` as asyncpg gives it."""
    return AuditEntry(
        row["audit_id"],
        row["at"],
        row["actor_id"],
        row["action"],
        row["target_id"],
        row["network"],
        row["request_id"],
        msgspec.json.decode(row["details"], type=dict[str, str | int | bool | None]),
    )


def _utc(at: datetime | None) -> datetime | None:
    try:
        return at.astimezone(UTC) if at is not None else None
    except OverflowError:  # in the first or last hours that can be written
        raise Problem(400, "invalid_query", "this point in time is out of range") from None
