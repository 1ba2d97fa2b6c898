"""WebSocket close codes, in bands that stock clients understand.

Stock y-websocket clients stop reconnecting only on 4400-4499, so a permanent refusal must lie there;
4500-4599 means "try again": nothing is wrong with the client, and what it typed is still in its document.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why the server ended a connection. The reason text on the wire is `label`."""

    NORMAL = 1000
    """The connection has done what it was for (RFC 6455, 7.4.1)."""

    # Permanent: coming back unchanged would end the same way.
    MALFORMED = 4400
    """A frame that is no valid protocol message, or an update no Yjs document can take."""
    UNAUTHENTICATED = 4401
    """No token, or one that is forged, expired or of another issuer."""
    FORBIDDEN = 4403
    """The token does not open this room, the Origin is not allowed, or a read-only member edited."""
    NOT_FOUND = 4404
    """No such route or room."""
    ROOM_FULL = 4409
    """The room or the tenant has as many members as it may."""
    LEFT = 4410
    """The person said elsewhere that they leave. They may come in again, when they want to."""
    TOO_LARGE = 4413
    """A message over the limit, or an edit that would grow the document over its limit."""
    SPLIT_CHARACTER = 4422
    """An edit inside a surrogate pair: peers could not agree on the text it leaves."""
    FLOOD = 4429
    """More messages or updates per second than a member may send."""

    # Transient: reconnect after a while.
    RESTARTING = 4500
    """This node is going away."""
    ROOM_UNAVAILABLE = 4503
    """The room could not be loaded; nothing was opened and nothing was written."""
    STUCK = 4508
    """The connection did not drain for too long."""
    GAP = 4509
    """An edit's dependencies never arrived, not even after two sync rounds."""
    SILENT = 4510
    """Nothing was heard from the client for too long, not even an answer to a ping."""
    OVERLOADED = 4529
    """Too many rooms or connections at once on this node."""

    @property
    def label(self) -> str:
        """The reason text sent with the close: the code's name in lower case, `malformed` for 4400."""
        return self.name.lower()

    @property
    def in_json(self) -> int:
        """The code on the dialect `dojo.json.v1`, whose clients know four of their own; the others are alike."""
        return _IN_JSON.get(self, int(self))

    @property
    def permanent(self) -> bool:
        """Whether a stock client stops reconnecting on this code."""
        return 4400 <= self < 4500


_IN_JSON = {
    CloseCode.UNAUTHENTICATED: 4001,
    CloseCode.NOT_FOUND: 4002,
    CloseCode.ROOM_FULL: 4003,
    CloseCode.FORBIDDEN: 4004,
}
