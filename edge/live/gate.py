"""Who may enter a room: route, Origin and token of the live socket."""

from __future__ import annotations

from collections.abc import Callable, Collection

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from edge.live.route import room_from_path
from kernel.tokens import RoomClaims, TokenRefused, TokenVerifier

_BEARER = "bearer "


class RoomGate:
    """Implements `collab_core.admission.Authoriser` with signed tokens. Refusals name a fixed reason and never
    quote what the client sent."""

    def __init__(self, verifier: TokenVerifier, allowed_origins: Collection[str], clock: Callable[[], float]) -> None:
        """`allowed_origins` as browsers send them, `https://host[:port]`; `clock` gives Unix seconds."""
        self._verifier = verifier
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._clock = clock

    async def admit(self, request: UpgradeRequest) -> Admission:
        """What the caller may do in the room its address names, or `Refused`.

        The Origin comes before the token: a page that may not connect learns nothing about the token it has. A client
        without an Origin header is no browser, so nobody else's cookies or network place are at stake.
        """
        room = room_from_path(request.path)
        if room is None:
            raise Refused(CloseCode.NOT_FOUND, "no such route")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(CloseCode.FORBIDDEN, "origin not allowed")
        claims = self._verify(_token(request))
        if not claims.opens(room):
            raise Refused(CloseCode.FORBIDDEN, "token is for other rooms")
        return Admission(
            key=RoomKey(claims.tid, room),
            user=claims.sub,
            name=claims.name,
            can_write=claims.write,
            expires_at=float(claims.exp),
        )

    async def renew(self, token: str, current: Admission) -> Admission:
        """`current` with the new token's expiry, name and right to write; `Refused` unless it is for the same tenant,
        user and room."""
        claims = self._verify(token)
        if claims.tid != current.key.tenant or claims.sub != current.user or not claims.opens(current.key.room):
            raise Refused(CloseCode.FORBIDDEN, "token is for another user or room")
        return Admission(
            key=current.key,
            user=current.user,
            name=claims.name,
            can_write=claims.write,
            expires_at=float(claims.exp),
        )

    def _verify(self, token: str) -> RoomClaims:
        try:
            return self._verifier.verify(token, self._clock())
        except TokenRefused as refused:
            raise Refused(CloseCode.UNAUTHENTICATED, f"token refused: {refused.reason}") from None


def _token(request: UpgradeRequest) -> str:
    """From the Authorization header, which stays out of other people's logs, else from the query: a browser can
    set no header on a WebSocket."""
    header = request.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip()
    token = request.query.get("token", "")
    if not token:
        raise Refused(CloseCode.UNAUTHENTICATED, "no token")
    return token
