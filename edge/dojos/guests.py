"""Guests: people without an account, let into one dojo by its join code if its host allows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from msgspec import Meta

from edge.dojos import join_codes, names, seats
from edge.dojos.bell import Bell
from edge.dojos.ice_servers import IceServer, IceServers
from edge.dojos.joining import TypedCode, limit
from edge.dojos.live_addresses import LiveAddresses
from edge.dojos.refusals import invalid_code, no_seat
from edge.dojos.seats import Newcomer, NoSeat, Seat, Way, Why
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.buckets import Buckets
from kernel.database import scope, speak_for_tenant
from kernel.http.operation import ANYBODY, Operation, PublicCall
from kernel.http.problem import Problem
from kernel.tokens.guest import GUEST_SECONDS, mint_guest
from kernel.tokens.keyring import KeyRing

ACQUIRE_SECONDS: Final = 2.0


class GuestRequest(Unshown, frozen=True, kw_only=True):
    """The code that the host gave out, and what to be called."""

    join_code: TypedCode
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class GuestGrant(Unshown, frozen=True, kw_only=True):
    """A token for this dojo's live socket, and what `/api/v1/dojos/guests/...` has for guests: nothing else. `userName`
    may differ from the name asked for."""

    token: str
    expires_in: int
    """Seconds. It ends earlier if the dojo does, or if the host sends the guest out."""
    tenant_id: UUID
    dojo_id: UUID
    user_id: UUID
    user_name: str
    waiting: bool
    """The host has not let the guest in yet."""
    rooms: list[UUID]
    """The dojo's active rooms, the first one first."""
    live_url: str
    """Where its live socket is best opened, without a path. Ask again (`/api/v1/config?dojoId=`) when that fails."""
    ice_servers: list[IceServer]
    """For talking: `RTCConfiguration.iceServers`. None while one waits."""


class Guests:
    """`POST /api/v1/dojos/guests`."""

    def __init__(
        self,
        pool: Any,
        buckets: Buckets,
        keys: KeyRing,
        bell: Bell,
        addresses: LiveAddresses,
        *,
        ice: IceServers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`pool` has connections of the services' role."""
        self._pool = pool
        self._buckets = buckets
        self._keys = keys
        self._bell = bell
        self._addresses = addresses
        self._ice = ice
        self._clock = clock

    def operations(self) -> tuple[Operation, ...]:
        problems = {"invalid_join_code": 404, "dojo_full": 409, "invalid_name": 400}
        return (
            Operation(
                "POST",
                "/api/v1/dojos/guests",
                self.join_as_guest,
                access=ANYBODY,
                tag="dojos",
                status=201,
                problems=problems,
            ),
        )

    async def join_as_guest(self, call: PublicCall[GuestRequest, None]) -> GuestGrant:
        """Come into a dojo without an account.

        Ten tries a minute per network address. A code that lets nobody in is answered alike, whatever the reason.
        """
        await limit(self._buckets, call.origin)
        try:
            name = names.guest_name(call.body.name)
        except names.UnusableName as unusable:
            raise Problem(400, "invalid_name", str(unusable)) from None
        code = join_codes.normal(call.body.join_code)
        if code is None:
            raise invalid_code()
        guest = uuid4()
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            found = await db.fetchrow("SELECT tenant_id, dojo_id FROM dojo_by_join_code($1)", join_codes.hashed(code))
            if found is None:
                raise invalid_code()
            tenant, dojo = found["tenant_id"], found["dojo_id"]
            await speak_for_tenant(db, tenant)
            seat = await _seat(db, tenant, dojo, Newcomer(guest, name, None))
            await audit.append(
                db,
                tenant=tenant,
                actor=None,
                action="dojo.guest_joined",
                target=dojo,
                origin=call.origin,
                details={"guest": str(guest), "waiting": seat.waiting},
            )
            rows = await db.fetch(
                "SELECT room_id, status FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2"
                " ORDER BY created_at, room_id",
                tenant,
                dojo,
            )
        await self._bell.ring(tenant, [row["room_id"] for row in rows])
        token = mint_guest(
            self._keys.key, tenant=tenant, guest=guest, dojo=dojo, name=seat.shown_name, now=self._clock()
        )
        return GuestGrant(
            token=token,
            expires_in=GUEST_SECONDS,
            tenant_id=tenant,
            dojo_id=dojo,
            user_id=guest,
            user_name=seat.shown_name,
            waiting=seat.waiting,
            rooms=[row["room_id"] for row in rows if row["status"] == "ACTIVE"],
            live_url=self._addresses.of_dojo(dojo),
            ice_servers=[] if seat.waiting else self._ice.of(guest),
        )


async def _seat(db: Any, tenant: UUID, dojo: UUID, who: Newcomer) -> Seat:
    if not await db.fetchval("SELECT allow_guests FROM dojos WHERE tenant_id = $1 AND dojo_id = $2", tenant, dojo):
        raise invalid_code()
    try:
        return await seats.take(db, tenant, dojo, who, Way.CODE)
    except NoSeat as none:
        raise (no_seat(none.why) if none.why is Why.FULL else invalid_code()) from None
