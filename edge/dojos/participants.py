"""Who is in a dojo, and the host's say in it."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.dojos import access, seats
from edge.dojos.bell import Bell
from edge.dojos.refusals import no_seat, over
from edge.dojos.seats import NoSeat
from edge.dojos.states import Status
from edge.dojos.views import PARTICIPANTS, ParticipantView, Standing, participant_view
from kernel import audit
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found


class ParticipantQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Without `status`: who has a seat. Only the host and administrators see others than those admitted."""

    status: Standing | None = None
    sort_order: Literal["asc", "desc"] = "asc"
    sort_by: Literal["joinTime", "userName"] = "joinTime"


class ParticipantChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether somebody takes part or watches."""

    role: Literal["PARTICIPANT", "OBSERVER"]


_ORDER: Final = {"joinTime": "join_time", "userName": "lower(shown_name)"}


class Participants:
    """The people of a dojo."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/dojos/{dojoId}/participants", "dojos"
        one = path + "/{userId}"
        host = {"not_host": 403, "host_stays": 409}
        return (
            Operation("GET", path, self.list_participants, access=SIGNED_IN, tag=tag, problems={"not_host": 403}),
            Operation(
                "PUT",
                one + "/admit",
                self.admit_participant,
                access=SIGNED_IN,
                tag=tag,
                problems={"not_host": 403, "dojo_over": 409, "dojo_full": 409},
            ),
            Operation("PATCH", one, self.change_participant, access=SIGNED_IN, tag=tag, problems=host),
            Operation("PUT", one + "/ban", self.ban_participant, access=SIGNED_IN, tag=tag, problems=host),
            Operation("DELETE", one, self.remove_participant, access=SIGNED_IN, tag=tag, status=204, problems=host),
        )

    async def list_participants(self, call: Call[None, ParticipantQuery]) -> Page[ParticipantView]:
        """Who is in a dojo; for its host also who waits, and who was sent out."""
        row, query = await access.seen(call), call.query
        if query.status not in (None, "ADMITTED") and not access.runs(call, row):
            raise Problem(403, "not_host", "only the host and administrators see who is not in")
        given = (call.caller.tenant, row["dojo_id"], query.status)
        where = " AND CASE WHEN $3::text IS NULL THEN status = 'ADMITTED' AND leave_time IS NULL ELSE status = $3 END"
        total = await call.db.fetchval(f"SELECT count(*) FROM ({PARTICIPANTS + where}) found", *given)  # noqa: S608 - constants
        rows = await call.db.fetch(
            f"{PARTICIPANTS}{where} ORDER BY {_ORDER[query.sort_by]} {query.sort_order}, user_id LIMIT $4 OFFSET $5",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([participant_view(found) for found in rows], query, total)

    async def admit_participant(self, call: Call[None, None]) -> ParticipantView:
        """Let somebody in who waits, or again somebody who was removed or banned."""
        dojo = await access.managed(call)
        if Status(dojo["status"]).over:
            raise over()
        person = await _participant(call)
        if person["status"] != "ADMITTED":
            try:
                await seats.check_free(call.db, call.caller.tenant, dojo["dojo_id"], dojo["max_participants"])
            except NoSeat as none:
                raise no_seat(none.why) from None
            await self._set(call, "ADMITTED", "dojo.participant_admitted")
        return participant_view(await _participant(call))

    async def change_participant(self, call: Call[ParticipantChange, None]) -> ParticipantView:
        """Make somebody an observer, who can write nothing, or a participant."""
        await access.managed(call)
        person = await _participant(call)
        _check_not_host(person)
        if person["role"] != call.body.role:
            await call.db.execute(
                "UPDATE dojo_participants SET role = $4 WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3",
                call.caller.tenant,
                call.ids["dojoId"],
                call.ids["userId"],
                call.body.role,
            )
            await self._note(call, "dojo.participant_role", {"role": call.body.role})
        return participant_view(await _participant(call))

    async def ban_participant(self, call: Call[None, None]) -> ParticipantView:
        """Send somebody out for good. To them the dojo does not exist any more, whatever code they have."""
        await access.managed(call)
        person = await _participant(call)
        _check_not_host(person)
        if person["status"] != "BANNED":
            await self._set(call, "BANNED", "dojo.participant_banned")
        return participant_view(await _participant(call))

    async def remove_participant(self, call: Call[None, None]) -> None:
        """Send somebody out, or leave oneself.

        Who was sent out needs the join code or an invitation to come back; who left does not. Open sockets are closed.
        """
        user = call.ids["userId"]
        if user == call.caller.user:
            await access.seen(call)
            _check_not_host(await _participant(call))
            if await seats.leave(call.db, call.caller.tenant, call.ids["dojoId"], user, by_choice=True):
                await self._note(call, "dojo.left")
            return
        await access.managed(call)
        person = await _participant(call)
        _check_not_host(person)
        if person["status"] in ("WAITING", "ADMITTED"):
            await self._set(call, "REMOVED", "dojo.participant_removed")

    async def _set(self, call: Call[Any, None], status: Standing, action: str) -> None:
        tenant, dojo, user = call.caller.tenant, call.ids["dojoId"], call.ids["userId"]
        inside = status == "ADMITTED"
        await call.db.execute(
            "UPDATE dojo_participants SET status = $4,"
            " join_time = CASE WHEN $5 THEN now() ELSE join_time END,"
            " leave_time = CASE WHEN $5 THEN NULL ELSE coalesce(leave_time, now()) END"
            " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3",
            tenant,
            dojo,
            user,
            status,
            inside,
        )
        if not inside:
            await seats.leave_rooms(call.db, tenant, dojo, user)
            await _withdraw(call.db, tenant, dojo, user)
        await self._note(call, action)

    async def _note(self, call: Call[Any, None], action: str, details: dict[str, str] | None = None) -> None:
        dojo = call.ids["dojoId"]
        await audit.note(call, action, call.ids["userId"], {"dojo": str(dojo), **(details or {})})
        await self._bell.after_commit(call, dojo)


def _check_not_host(person: Any) -> None:
    if person["role"] == "HOST":
        raise Problem(409, "host_stays", "the host stays in; end or cancel the dojo instead")


async def _participant(call: Call[Any, Any]) -> Any:
    row = await call.db.fetchrow(
        PARTICIPANTS + " AND user_id = $3", call.caller.tenant, call.ids["dojoId"], call.ids["userId"]
    )
    if row is None:
        raise not_found()
    return row


async def _withdraw(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> None:
    """End the open invitations of somebody who was sent out: they would let them in again at once."""
    await db.execute(
        "UPDATE dojo_invitations SET revoked_at = now() WHERE tenant_id = $1 AND dojo_id = $2"
        " AND accepted_at IS NULL AND revoked_at IS NULL"
        " AND email = (SELECT u.email FROM users u WHERE u.tenant_id = $1 AND u.user_id = $3)",
        tenant,
        dojo,
        user,
    )
