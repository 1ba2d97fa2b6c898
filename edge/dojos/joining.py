"""Coming in by a join code."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.dojos import access, join_codes, seats
from edge.dojos.bell import Bell
from edge.dojos.ice_servers import IceServer, IceServers
from edge.dojos.live_addresses import LiveAddresses
from edge.dojos.refusals import invalid_code, no_seat, over
from edge.dojos.seats import Newcomer, NoSeat, Seat, Way, Why
from edge.dojos.states import Status
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.operation import SIGNED_IN, Call, Operation, Origin
from kernel.http.problem import too_many
from kernel.network import prefix_of

TRIES: Final = Bucket(10, 10 / 60)
"""Codes typed from one network address, right ones too. Guessing one of a thousand open dojos takes 100,000 years."""

TypedCode = Annotated[str, Meta(min_length=1, max_length=40)]


class JoinRequest(Unshown, frozen=True, kw_only=True):
    """What somebody typed; case, blanks, dashes and look-alike letters do not matter."""

    join_code: TypedCode
    role: Literal["PARTICIPANT", "OBSERVER"] = "PARTICIPANT"


class Joined(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One's place in a dojo. While `status` is WAITING the host has not let one in."""

    dojo_id: UUID
    user_id: UUID
    user_name: str
    role: Literal["HOST", "PARTICIPANT", "OBSERVER"]
    status: Literal["WAITING", "ADMITTED"]
    dojo_status: Status
    rooms: list[UUID]
    """Its active rooms, the first one first."""
    live_url: str
    """Where its live socket is best opened, without a path. Ask again (`/api/v1/config?dojoId=`) when that fails."""
    ice_servers: list[IceServer]
    """For talking: `RTCConfiguration.iceServers`. None while one waits."""


class NewJoinCode(Unshown, frozen=True, kw_only=True):
    """The only code that is good from now on. It is shown here and never again."""

    join_code: str


class Joining:
    """Join codes: using one, and making another."""

    def __init__(self, buckets: Buckets, bell: Bell, addresses: LiveAddresses, ice: IceServers) -> None:
        self._ice = ice
        self._buckets = buckets
        self._bell = bell
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/dojos", "dojos"
        return (
            Operation(
                "POST",
                path + "/join",
                self.join_dojo,
                access=SIGNED_IN,
                tag=tag,
                problems={"invalid_join_code": 404, "dojo_full": 409},
            ),
            Operation(
                "POST",
                path + "/{dojoId}/join-code",
                self.rotate_join_code,
                access=SIGNED_IN,
                tag=tag,
                problems={"not_host": 403, "dojo_over": 409},
            ),
        )

    async def join_dojo(self, call: Call[JoinRequest, None]) -> Joined:
        """Take a seat in the dojo of one's company that has this join code.

        Ten tries a minute per network address. A code that lets one in nowhere is answered alike, whatever the reason.
        """
        await limit(self._buckets, call.origin)
        db, caller = call.db, call.caller
        code = join_codes.normal(call.body.join_code)
        dojo = None
        if code is not None:
            dojo = await db.fetchval(
                "SELECT dojo_id FROM dojos WHERE tenant_id = $1 AND join_code_hash = $2",
                caller.tenant,
                join_codes.hashed(code),
            )
        if dojo is None:
            raise invalid_code()
        who = Newcomer(caller.user, caller.name, caller.role, observes=call.body.role == "OBSERVER")
        try:
            seat = await seats.take(db, caller.tenant, dojo, who, Way.CODE)
        except NoSeat as none:
            raise (no_seat(none.why) if none.why is Why.FULL else invalid_code()) from None
        await audit.note(call, "dojo.joined", dojo, {"by": Way.CODE.value, "waiting": seat.waiting})
        await self._bell.after_commit(call, dojo)
        return await joined(db, caller.tenant, seat, self._addresses, self._ice)

    async def rotate_join_code(self, call: Call[None, None]) -> NewJoinCode:
        """Another join code; the old one is void at once."""
        row = await access.managed(call)
        if Status(row["status"]).over:
            raise over()
        code = join_codes.new_code()
        await call.db.execute(
            "UPDATE dojos SET join_code_hash = $3, updated_at = now() WHERE tenant_id = $1 AND dojo_id = $2",
            call.caller.tenant,
            row["dojo_id"],
            join_codes.hashed(code),
        )
        await audit.note(call, "dojo.join_code_rotated", row["dojo_id"])
        return NewJoinCode(join_code=join_codes.shown(code))


async def limit(buckets: Buckets, origin: Origin) -> None:
    """Count a try. Raises `Problem` 429."""
    wait = await buckets.take(Draw("join_code.network", prefix_of(origin.network), TRIES))
    if wait > 0:
        raise too_many(wait, "too many join codes were tried from this network; wait and try again")


async def joined(db: Any, tenant: UUID, seat: Seat, addresses: LiveAddresses, ice: IceServers) -> Joined:
    """What to tell somebody who came in."""
    rows = await db.fetch(
        "SELECT room_id FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND status = 'ACTIVE'"
        " ORDER BY created_at, room_id",
        tenant,
        seat.dojo,
    )
    return Joined(
        dojo_id=seat.dojo,
        user_id=seat.user,
        user_name=seat.shown_name,
        role=seat.role,
        status="WAITING" if seat.waiting else "ADMITTED",
        dojo_status=seat.status,
        rooms=[row["room_id"] for row in rows],
        live_url=addresses.of_dojo(seat.dojo),
        ice_servers=[] if seat.waiting else ice.of(seat.user),
    )
