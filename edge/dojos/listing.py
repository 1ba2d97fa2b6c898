"""The list of dojos: what is going on and what is to come, with who pilots."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from edge.dojos import access
from edge.dojos.states import Status
from edge.dojos.views import ROOMS, SEATED, DojoItem, RoomView, room_view
from edge.identity.users import folded
from kernel.http.fields import Search
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of


class DojoQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Without `status`: active and scheduled ones."""

    status: Status | None = None
    language: Annotated[str, Meta(max_length=50)] | None = None
    """Whatever its case."""
    search: Search = ""
    """Part of the name or the description, whatever its case and accents."""
    sort_by: Literal["createdAt", "scheduledStartTime", "name"] = "createdAt"


_FOLDED: Final = "lower(regexp_replace(normalize({}, NFD), '[\\u0300-\\u036f]', '', 'g'))"
_WHERE: Final = (
    f" FROM dojos d WHERE d.tenant_id = $1 AND {access.VISIBLE}"
    " AND CASE WHEN $5::text IS NULL THEN d.status IN ('SCHEDULED', 'ACTIVE') ELSE d.status = $5 END"
    " AND ($6::text IS NULL OR lower(d.language) = lower($6))"
    f" AND ($7 = '' OR strpos({_FOLDED.format('d.name')}, $7) > 0"
    f" OR strpos({_FOLDED.format('d.description')}, $7) > 0)"
)
_ORDER: Final = {
    "createdAt": "d.created_at",
    "scheduledStartTime": "d.scheduled_start_time",
    "name": _FOLDED.format("d.name"),
}
_CREATOR: Final = (
    "(SELECT u.full_name FROM users u WHERE u.tenant_id = d.tenant_id AND u.user_id = d.creator_id) AS creator_name"
)


class Listing:
    """`GET /api/v1/dojos`."""

    def operations(self) -> tuple[Operation, ...]:
        return (Operation("GET", "/api/v1/dojos", self.list_dojos, access=SIGNED_IN, tag="dojos"),)

    async def list_dojos(self, call: Call[None, DojoQuery]) -> Page[DojoItem]:
        """Dojos the caller may know of: public ones, their own, and those they are in or invited to."""
        query, tenant = call.query, call.caller.tenant
        given = (
            *await access.viewer(call),
            query.status.value if query.status is not None else None,
            query.language.strip() if query.language is not None else None,
            folded(query.search),
        )
        total = await call.db.fetchval("SELECT count(*)" + _WHERE, *given)
        rows = await call.db.fetch(
            f"SELECT d.*, {_CREATOR}, {SEATED} AS participant_count{_WHERE}"
            f" ORDER BY {_ORDER[query.sort_by]} {query.sort_order} NULLS LAST, d.dojo_id LIMIT $8 OFFSET $9",
            *given,
            query.page_size,
            query.offset,
        )
        active = [row["dojo_id"] for row in rows if row["status"] == Status.ACTIVE.value]
        rooms = await _active_rooms(call.db, tenant, active)
        return page_of([_item(row, rooms.get(row["dojo_id"], [])) for row in rows], query, total)


async def _active_rooms(db: Any, tenant: UUID, dojos: list[UUID]) -> dict[UUID, list[RoomView]]:
    rows = await db.fetch(
        ROOMS + " AND r.dojo_id = ANY ($2) AND r.status = 'ACTIVE' ORDER BY r.created_at, r.room_id", tenant, dojos
    )
    rooms: dict[UUID, list[RoomView]] = {}
    for row in rows:
        rooms.setdefault(row["dojo_id"], []).append(room_view(row))
    return rooms


def _item(row: Any, rooms: list[RoomView]) -> DojoItem:
    shown = {name: row[name] for name in DojoItem.__struct_fields__ if name not in ("rooms", "status")}
    return DojoItem(**shown, status=Status(row["status"]), rooms=rooms)
