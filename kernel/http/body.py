"""Bodies: JSON in, checked against a type, or plain text; JSON out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from kernel.http.problem import Problem

BODY_SECONDS = 10.0
"""For a whole request body; only small ones are taken here."""
BODY_BYTES = 16 * 1024
"""Largest body of an operation that names no other bound."""
JSON = "application/json"
FAILURE_CHARACTERS = 200
"""How much is said about what does not fit; it may quote the name of a field or a word out of few."""

T = TypeVar("T")


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`value` as JSON that no cache keeps."""
    return json_bytes(msgspec.json.encode(value), status, headers)


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON that is encoded already."""
    return web.Response(
        status=status,
        body=body,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


async def read_body(request: web.Request, limit_bytes: int = BODY_BYTES, media_type: str = JSON) -> bytes:
    """The whole body of a request. Raises `Problem`: 415 for another media type, 413, 408."""
    if request.content_type != media_type:
        raise Problem(415, "unsupported_media_type", f"send {media_type}", {"Accept": media_type})
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # A few bytes can unpack to gigabytes, and nothing here is long enough to gain from it.
        raise Problem(415, "unsupported_content_encoding", "send the body as it is, not compressed")
    if request.content_length is not None and request.content_length > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit_bytes:
                    raise _too_large(limit_bytes)
    except TimeoutError:
        raise Problem(408, "request_timeout", f"the body did not arrive within {BODY_SECONDS:g} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(400, "invalid_body", "the body ended before its end, or its chunks are malformed") from None
    return bytes(body)


def decode(body: bytes, type_: type[T]) -> T:
    """`body` as `type_`. Raises `Problem` 400 that says where it does not fit."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        failure = str(error)[:FAILURE_CHARACTERS]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "invalid_body", "the body is not valid JSON") from None
    try:
        # JSON knows no integers: 21.0 is the number 21 (RFC 8259, 6), and some encoders write it so.
        return msgspec.convert(_whole(msgspec.json.decode(body)), type=type_)
    except msgspec.ValidationError:
        raise Problem(400, "invalid_body", failure) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # wrong in its type first, and no JSON after that
        raise Problem(400, "invalid_body", "the body is not valid JSON") from None


def decode_text(body: bytes) -> str:
    """`body` as text. Raises `Problem` 400 unless it is UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(400, "invalid_body", "the body is not UTF-8") from None


async def read_json(request: web.Request, type_: type[T]) -> T:
    """The body as `type_`. Raises `Problem`: 415, 413, 408, 400."""
    return decode(await read_body(request), type_)


def _too_large(limit_bytes: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is larger than the {limit_bytes} bytes this route takes")


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
