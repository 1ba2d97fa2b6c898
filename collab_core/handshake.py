"""The opening handshake, sans-I/O: an HTTP request's bytes in, the response's bytes and what was asked out.

RFC 6455 section 4 is `websockets`' part; ours is to bound it, to choose the dialect, and to keep the query
(which holds a token) away from anything that logs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from collab_core.admission import Dialect, UpgradeRequest

MAX_REQUEST_BYTES = 16 * 1024
"""Request line and headers: room for cookies and a token of 7 KiB."""

_END = b"\r\n\r\n"
_SILENT = logging.Logger("handshake", level=logging.CRITICAL + 1)
"""`websockets` logs request lines at debug level, and with them the token."""

_TARGET = re.compile(
    r"(?:https?://(?:\[[0-9A-Fa-f:.]+\]|[^/?#\[\]]+)(?::\d+)?)?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
"""Origin form and absolute form (RFC 9112, 3.2). Not `urlsplit`, which keeps what it was given lately: a query may hold
a token."""


class BadHandshake(Exception):
    """The request is no upgrade we can answer. `response` is the complete HTTP answer."""

    def __init__(self, response: bytes) -> None:
        super().__init__("bad handshake")
        self.response = response


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A handshake that may be accepted: answer with `response`; bytes in `rest` are frames already."""

    request: UpgradeRequest
    dialect: Dialect
    response: bytes
    rest: bytes


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """An HTTP GET that asks for no upgrade: health and metrics."""

    path: str


def is_whole(data: bytes) -> bool:
    """Whether there is a whole request, or already too much for one: `read_request` has something to say then."""
    return _END in data or len(data) > MAX_REQUEST_BYTES


def wants_upgrade(data: bytes) -> bool:
    """Whether a whole request may ask for an upgrade; a cheap look that comes before `read_request`."""
    return b"\nupgrade:" in data[: data.find(_END)].lower()


def read_request(data: bytes) -> Upgrade | PlainRequest | None:
    """Parse what arrived so far; `None` if the request is not complete. Raises `BadHandshake`."""
    end = data.find(_END)
    if end < 0:
        if len(data) > MAX_REQUEST_BYTES:
            raise BadHandshake(http_response(431, "text/plain", b"request headers too large"))
        return None
    if end > MAX_REQUEST_BYTES:
        raise BadHandshake(http_response(431, "text/plain", b"request headers too large"))
    protocol = ServerProtocol(select_subprotocol=_choose, logger=_SILENT)
    protocol.receive_data(data[: end + len(_END)])
    events = protocol.events_received()
    if protocol.handshake_exc is not None or not events or not isinstance(events[0], Request):
        raise BadHandshake(http_response(400, "text/plain", b"not a valid HTTP request"))
    request = events[0]
    try:
        target = _TARGET.fullmatch(request.path)
        if target is None:
            raise ValueError(request.path)
        path = target["path"] or "/"
        query = dict(parse_qsl(target["query"] or "", keep_blank_values=True, max_num_fields=32))
    except ValueError:
        raise BadHandshake(http_response(400, "text/plain", b"malformed query")) from None
    headers = _headers(request.headers)
    if "upgrade" not in headers:
        return PlainRequest(path)
    response = protocol.accept(request)
    answer = response.serialize()
    if response.status_code != 101:
        raise BadHandshake(answer)
    offered = tuple(name.strip() for name in headers.get("sec-websocket-protocol", "").split(",") if name.strip())
    dialect = _dialect(offered)
    return Upgrade(UpgradeRequest(path, query, headers, offered), dialect, answer, data[end + len(_END) :])


def _dialect(offered: Sequence[str]) -> Dialect:
    """The first of ours that the client offers, in its order; without one plain Yjs."""
    ours = [dialect for name in offered for dialect in (Dialect.DOJO_V1, Dialect.JSON) if name == dialect.value]
    return ours[0] if ours else Dialect.YJS


def _choose(_protocol: ServerProtocol, offered: object) -> Subprotocol | None:
    assert isinstance(offered, list | tuple)
    dialect = _dialect(offered)
    return None if dialect is Dialect.YJS else Subprotocol(dialect.value)


def _headers(headers: Headers) -> dict[str, str]:
    return {name.lower(): ", ".join(headers.get_all(name)) for name in set(headers)}


def http_response(status: int, content_type: str, body: bytes, *, retry_after: int | None = None) -> bytes:
    """A complete HTTP/1.1 response that ends the connection. `retry_after` is in seconds."""
    retry = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    return (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n{retry}\r\n"
    ).encode() + body


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
