"""HTTP as all services speak it: problems (RFC 9457), request ids, security headers, one log line per request."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from uuid import uuid4

import msgspec
from aiohttp import web

from kernel.telemetry import logged_as

PROBLEM_TYPE = "application/problem+json"
BODY_SECONDS = 10.0
"""For a whole request body; only small JSON is taken here."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Server": "dojo",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Problem(Exception):
    """An answer that says what went wrong. `code` is stable and for programs, `detail` is for people."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """As application/problem+json: `type`, `title`, `status`, `code`, `detail`."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return web.Response(
            status=self.status, body=msgspec.json.encode(document), content_type=PROBLEM_TYPE, headers=self.headers
        )


def json_response(value: object, status: int = 200) -> web.Response:
    """`value` as JSON that no cache keeps."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def read_json(request: web.Request, type_: type[T]) -> T:
    """The body as `type_`. Raises `Problem`: 415 for another media type, 413, 408, 400 for what does not fit."""
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "send application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, "request_timeout", f"the body did not arrive within {BODY_SECONDS:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, "body_too_large", "the body is larger than this route takes") from None
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "invalid_body", str(error)) from None


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: every request gets an id, a log line, and on failure a problem; never a trace or a plain text."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    started = time.perf_counter()
    with logged_as(request_id=request_id):
        response = await _answer(request, handler)
        response.headers["X-Request-ID"] = request_id
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        milliseconds = (time.perf_counter() - started) * 1000
        # The path only: a query may hold a token.
        log.info(
            "%s %s %.1f ms",
            request.method,
            request.rel_url.raw_path,
            milliseconds,
            extra={"status_code": response.status},
        )
        return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = HTTPStatus(error.status).phrase.lower().replace(" ", "_")
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return Problem(error.status, code, error.reason, allow).response()
    except Exception:
        log.exception("unhandled error in %s", request.method)
        return Problem(500, "internal_error", "something went wrong here; it has been logged").response()
