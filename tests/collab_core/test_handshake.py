"""The opening handshake as bytes: complete or not, bounded, and silent about the query."""

from __future__ import annotations

import logging

import pytest

from collab_core.admission import Dialect
from collab_core.handshake import (
    MAX_REQUEST_BYTES,
    BadHandshake,
    PlainRequest,
    Upgrade,
    http_response,
    read_request,
)

# RFC 6455, section 1.3: this key is answered by this value.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TARGET = b"/api/v1/rooms/caf%C3%A9/sync?token=a.b.c&empty="


def request(target: bytes = TARGET, *headers: bytes, version: bytes = b"13", key: bytes = KEY) -> bytes:
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"Host: live.example.com",
        b"Upgrade: websocket",
        b"Connection: keep-alive, Upgrade",
        b"Sec-WebSocket-Version: " + version,
        b"Sec-WebSocket-Key: " + key,
        *headers,
    ]
    return b"\r\n".join([*lines, b"", b""])


def upgrade(data: bytes) -> Upgrade:
    asked = read_request(data)
    assert isinstance(asked, Upgrade)
    return asked


def refused(data: bytes) -> bytes:
    with pytest.raises(BadHandshake) as caught:
        read_request(data)
    return caught.value.response.split(b"\r\n", 1)[0]


def test_an_upgrade_is_read_and_answered() -> None:
    asked = upgrade(request(TARGET, b"Origin: https://dojo.example", b"X-Twice: 1", b"x-twice: 2") + b"\x82\x80")
    assert asked.request.path == "/api/v1/rooms/caf%C3%A9/sync"
    assert asked.request.query == {"token": "a.b.c", "empty": ""}
    assert asked.request.headers["origin"] == "https://dojo.example"
    assert asked.request.headers["x-twice"] == "1, 2"
    assert asked.request.subprotocols == ()
    assert asked.dialect is Dialect.YJS
    assert asked.rest == b"\x82\x80"
    head = asked.response.split(b"\r\n")
    assert head[0] == b"HTTP/1.1 101 Switching Protocols"
    assert b"Sec-WebSocket-Accept: " + ACCEPT in head
    assert asked.response.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("offered", "names", "chosen"),
    [
        (b"dojo.v1", ("dojo.v1",), Dialect.DOJO_V1),
        (b"other,dojo.v1 , third", ("other", "dojo.v1", "third"), Dialect.DOJO_V1),
        (b"dojo.v2", ("dojo.v2",), Dialect.YJS),
        (b"dojo.json.v1", ("dojo.json.v1",), Dialect.JSON),
        (b"dojo.json.v1, dojo.v1", ("dojo.json.v1", "dojo.v1"), Dialect.JSON),
        (b"dojo.v1, dojo.json.v1", ("dojo.v1", "dojo.json.v1"), Dialect.DOJO_V1),
        (b"yjs", ("yjs",), Dialect.YJS),
    ],
)
def test_the_dialect_is_chosen_by_subprotocol(offered: bytes, names: tuple[str, ...], chosen: Dialect) -> None:
    asked = upgrade(request(TARGET, b"Sec-WebSocket-Protocol: " + offered))
    assert asked.request.subprotocols == names
    assert asked.dialect is chosen
    named = chosen is not Dialect.YJS
    assert (b"Sec-WebSocket-Protocol: " + chosen.value.encode() + b"\r\n" in asked.response) is named
    assert asked.response.count(b"Sec-WebSocket-Protocol") == named


def test_nothing_is_said_before_the_request_is_complete() -> None:
    whole = request()
    assert all(read_request(whole[:length]) is None for length in range(len(whole)))
    assert isinstance(read_request(whole), Upgrade)


def test_a_request_may_be_as_long_as_the_bound_and_no_longer() -> None:
    filler = b"a" * 8_000
    bare = request(TARGET, b"X-A: " + filler, b"X-B: ")
    fitting = request(TARGET, b"X-A: " + filler, b"X-B: " + b"b" * (MAX_REQUEST_BYTES - len(bare) + 4))
    assert fitting.find(b"\r\n\r\n") == MAX_REQUEST_BYTES
    assert isinstance(read_request(fitting), Upgrade)
    over = request(TARGET, b"X-A: " + filler, b"X-B: " + b"b" * (MAX_REQUEST_BYTES - len(bare) + 5))
    assert refused(over) == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert read_request(b"a" * MAX_REQUEST_BYTES) is None
    assert refused(b"a" * (MAX_REQUEST_BYTES + 1)) == b"HTTP/1.1 431 Request Header Fields Too Large"


def test_a_token_of_seven_kib_fits_beside_the_longest_room_name() -> None:
    room = b"%F0%9F%92%A1" * 50  # 200 bytes of UTF-8
    asked = upgrade(request(b"/api/v1/rooms/" + room + b"/sync?token=" + b"t" * 7 * 1024))
    assert len(asked.request.query["token"]) == 7 * 1024


def test_a_get_without_an_upgrade_is_a_plain_request() -> None:
    assert read_request(b"GET /health/live?verbose=1 HTTP/1.1\r\nHost: h\r\n\r\n") == PlainRequest("/health/live")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),  # TLS where none is spoken
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost h\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", b"400"),
        (b"GET http://[::1 HTTP/1.1\r\nHost: h\r\n\r\n", b"400"),
        (request(version=b"8"), b"400"),
        (request(key=b"short"), b"400"),
        (request(b"/x?" + b"&".join(b"a=%d" % n for n in range(33))), b"400"),
        (request().replace(b"Upgrade: websocket", b"Upgrade: h2c"), b"426"),
        (request(TARGET, *(b"X-%d: 1" % n for n in range(130))), b"400"),
    ],
)
def test_what_is_no_upgrade_is_refused_over_http(data: bytes, status: bytes) -> None:
    assert refused(data).split()[1] == status


def test_the_query_is_in_no_log_and_in_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = b"eyJ.secret.token"
    read_request(request(b"/x?token=" + secret))
    for bad in (request(b"/x?token=" + secret, version=b"8"), request(b"/x?token=" + secret, b"broken")):
        with pytest.raises(BadHandshake) as caught:
            read_request(bad)
        assert secret not in caught.value.response
        assert secret.decode() not in str(caught.value)
    assert secret.decode() not in caplog.text


def test_a_response_is_complete_and_ends_the_connection() -> None:
    assert http_response(503, "text/plain", b"later") == (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        b"Connection: close\r\nCache-Control: no-store\r\n\r\nlater"
    )
