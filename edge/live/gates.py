"""The live node's two doors behind one address: dojos, and rooms of their own."""

from __future__ import annotations

import logging
from uuid import UUID

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from edge.live.credentials import shown
from edge.live.dojo_gate import DojoGate
from edge.live.gate import RoomGate
from edge.live.live_dojos import AWAY, LiveDojos
from edge.live.place import SeatedAdmission
from edge.live.route import is_live, uuid_from
from kernel.tokens.authority import REVOKED
from kernel.tokens.said import tenant_said

_DOJOS_ROOM = "SELECT EXISTS (SELECT FROM dojo_rooms WHERE tenant_id = $1 AND room_id = $2)"

_SUSPENDED = "SELECT EXISTS (SELECT FROM tenants WHERE tenant_id = $1 AND status <> 'ACTIVE')"

log = logging.getLogger(__name__)


class Gates:
    """Implements `collab_core.admission.Authoriser` by asking the gate that a path, or an admission, belongs to."""

    def __init__(self, rooms: RoomGate, dojos: DojoGate, live: LiveDojos) -> None:
        self._rooms = rooms
        self._dojos = dojos
        self._live = live

    def whose(self, request: UpgradeRequest) -> UUID | None:
        """The company that the token names; None for all that name none."""
        try:
            token, ticket = shown(request)
        except Refused:
            return None
        return tenant_said(token or ticket)

    async def admit(self, request: UpgradeRequest) -> Admission:
        """What the caller may do, or `Refused`."""
        if is_live(request.path):
            return await self._dojos.admit(request)
        admission = await self._rooms.admit(request)
        await self._refuse_dojos_room(admission)
        await self._refuse_suspended(admission)
        return admission

    async def renew(self, token: str, current: Admission) -> Admission:
        """As the gate through which it came."""
        if isinstance(current, SeatedAdmission):
            return await self._dojos.renew(token, current)
        renewed = await self._rooms.renew(token, current)
        await self._refuse_suspended(renewed)
        return renewed

    def review(self, admission: Admission) -> None:
        """As both gates do."""
        self._rooms.review(admission)

    async def _refuse_dojos_room(self, admission: Admission) -> None:
        """A dojo's room is called by its id, and must not be had by that name past the dojo's rules."""
        named = uuid_from(admission.key.room)
        if named is None:
            return
        try:
            async with self._live.scope(admission.key.tenant) as db:
                taken = await db.fetchval(_DOJOS_ROOM, admission.key.tenant, named)
        except AWAY as error:
            log.warning("nobody can say whose room this is: %s", type(error).__name__)
            raise Refused(CloseCode.ROOM_UNAVAILABLE, "the room cannot be looked up at the moment") from None
        if taken:
            raise Refused(CloseCode.FORBIDDEN, "this room is a dojo's")

    async def _refuse_suspended(self, admission: Admission) -> None:
        """A room ticket lives for hours, and what was revoked is remembered for as long as access tokens live. While
        Postgres is away that memory has to do: who is in a room on one's own machine can come back to it."""
        if admission.session is not None:
            return
        try:
            async with self._live.scope(admission.key.tenant) as db:
                suspended = await db.fetchval(_SUSPENDED, admission.key.tenant)
        except AWAY as error:
            log.warning("nobody can say whether a company is suspended: %s", type(error).__name__)
            return
        if suspended:
            raise Refused(CloseCode.UNAUTHENTICATED, REVOKED)
