"""Who may enter a dojo: `/api/v1/dojos/{dojoId}/live?role=&room=&since=` with a token or a ticket, a guest's too."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from uuid import UUID

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.journal.port import JournalUnavailable
from edge.dojos import seats
from edge.dojos.seats import Newcomer, NoSeat, Why
from edge.dojos.states import Status
from edge.dojos.turns.store import NoRoom
from edge.dojos.turns.watch import TurnsAway
from edge.live import stage, stays
from edge.live.credentials import Credentials, SignedIn, shown
from edge.live.live_dojos import AWAY, LiveDojos
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.route import dojo_from_path, uuid_from
from kernel.http.operation import Role
from kernel.tokens.guest import GuestClaims, GuestTicketClaims
from kernel.tokens.socket_ticket import TicketClaims

HOLD_SECONDS: Final = 6.0
"""How long somebody in the waiting room is held at the door before they are told to try again: less than the engine
gives an admission."""
KNOCK_SECONDS: Final = 2.0
"""How often somebody who is held looks whether they were let in, bell or not."""
SINCE_CHARACTERS: Final = 36
"""Of a chat message's id."""

Guest: TypeAlias = GuestClaims | GuestTicketClaims
Shown: TypeAlias = SignedIn | Guest

WAITING_ROOM: Final = "waiting_room"
NOT_STARTED: Final = "not_started"
"""Why somebody waits at the door, as the close says it when they have waited long enough."""

_REFUSALS: Final = {
    Why.UNKNOWN: (CloseCode.NOT_FOUND, "no such dojo"),
    Why.OVER: (CloseCode.NOT_FOUND, "ended"),
    Why.BANNED: (CloseCode.FORBIDDEN, "banned"),
    Why.REMOVED: (CloseCode.FORBIDDEN, "removed"),
    Why.LOCKED: (CloseCode.FORBIDDEN, "locked"),
    Why.FULL: (CloseCode.ROOM_FULL, "the dojo is full"),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _AtTheDoor:
    """Somebody who may come in later. `room` is rung for then."""

    why: str
    room: UUID


class DojoGate:
    """Who may enter dojos."""

    def __init__(self, credentials: Credentials, dojos: LiveDojos) -> None:
        self._credentials = credentials
        self._dojos = dojos

    async def admit(self, request: UpgradeRequest) -> Admission:
        """A place in the dojo's room, or `Refused`."""
        dojo = dojo_from_path(request.path)
        named = request.query.get("room", "")
        room = uuid_from(named) if named else None
        if dojo is None or (named and room is None):
            raise Refused(CloseCode.NOT_FOUND, "no such dojo")
        self._credentials.check_origin(request)
        token, ticket = shown(request)
        claims = await self._credentials.any_ticket(ticket) if ticket else await _claims(self._credentials, token)
        _check_guest(claims, dojo)
        watches = request.query.get("role", "").upper() == Standing.OBSERVER
        ends = asyncio.get_running_loop().time() + HOLD_SECONDS
        try:
            while True:
                found = await self._enter(claims, dojo, room, watches=watches)
                if isinstance(found, SeatedAdmission):
                    place = replace(found.place, since=request.query.get("since", "")[:SINCE_CHARACTERS])
                    return replace(found, place=place)
                left = ends - asyncio.get_running_loop().time()
                if left <= 0:
                    raise Refused(CloseCode.ROOM_UNAVAILABLE, found.why)
                await self._dojos.knock(found.room, min(left, KNOCK_SECONDS))
        except NoSeat as none:
            raise Refused(*_REFUSALS[none.why]) from None
        except NoRoom:
            raise Refused(CloseCode.NOT_FOUND, "no such dojo") from None
        except (JournalUnavailable, TurnsAway, *AWAY) as error:
            log.warning("nobody can say who may enter a dojo: %s", type(error).__name__)
            raise Refused(CloseCode.ROOM_UNAVAILABLE, "the dojo cannot be looked up at the moment") from None

    async def renew(self, token: str, current: Admission) -> Admission:
        """See `renewed`."""
        return await renewed(self._credentials, token, current)

    def review(self, admission: Admission) -> None:
        """Raise `Refused` if what was shown has been revoked since."""
        self._credentials.review(admission)

    async def _enter(
        self, claims: Shown, dojo: UUID, room: UUID | None, *, watches: bool
    ) -> SeatedAdmission | _AtTheDoor:
        """A place, and the room made ready, unless one has to wait. Raises `NoSeat`."""
        role = _role(claims)
        who = Newcomer(claims.sub, claims.name, role, observes=watches)
        async with self._dojos.scope(claims.tid) as db:
            seat = await seats.take(db, claims.tid, dojo, who)
            found = await stage.find(db, claims.tid, dojo, room)
            if found is None:
                raise NoSeat(Why.UNKNOWN)
            if seat.waiting:
                return _AtTheDoor(WAITING_ROOM, found)
            if seat.status is Status.SCHEDULED and seat.role != Standing.HOST:
                return _AtTheDoor(NOT_STARTED, found)
            entered_at = await stays.begin(db, claims.tid, found, claims.sub)
        if not await self._dojos.prepare(claims.tid, dojo, found):
            raise NoSeat(Why.UNKNOWN)
        place = Place(
            dojo,
            found,
            granted=Standing(seat.role),
            watches=watches,
            guest=seat.is_guest,
            may_edit=_may_edit(claims),
            admin=role is Role.ADMIN,
            entered_at=entered_at,
        )
        return _admission(claims, place, seat.shown_name)


async def renewed(credentials: Credentials, token: str, current: Admission) -> SeatedAdmission:
    """`current` with the new token's expiry and right to write; `Refused` unless it is for the same tenant and user,
    and a guest's for the same dojo. What the person is in the dojo is not the token's to say."""
    assert isinstance(current, SeatedAdmission)
    claims = await _claims(credentials, token)
    if claims.tid != current.key.tenant or claims.sub != current.user:
        raise Refused(CloseCode.FORBIDDEN, "token is for another user or dojo")
    _check_guest(claims, current.place.dojo)
    place = replace(current.place, may_edit=_may_edit(claims), admin=_role(claims) is Role.ADMIN)
    return _admission(claims, place, current.name)


async def _claims(credentials: Credentials, token: str) -> SignedIn | GuestClaims:
    return await credentials.token(token, credentials.authority.guest)


def _role(claims: Shown) -> Role | None:
    """In the tenant. None for a dojo's own guest."""
    return None if isinstance(claims, Guest) else Role(claims.role)


def _check_guest(claims: Shown, dojo: UUID) -> None:
    if isinstance(claims, Guest) and claims.dojo != dojo:
        raise Refused(CloseCode.FORBIDDEN, "token is for another dojo")


def _may_edit(claims: Shown) -> bool:
    """Guests of the tenant only look; a dojo's own guests take part."""
    return _role(claims) is not Role.GUEST


def _admission(claims: Shown, place: Place, name: str) -> SeatedAdmission:
    bearer = claims.bearer
    return SeatedAdmission(
        key=stage.key_of(claims.tid, place.room),
        user=claims.sub,
        name=name,
        can_write=place.can_write,
        expires_at=float(claims.until if isinstance(claims, TicketClaims | GuestTicketClaims) else claims.exp),
        session=bearer.session,
        version=bearer.version,
        issued_at=bearer.issued_at,
        place=place,
    )
