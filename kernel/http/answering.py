"""Around every request: an id, security headers, one log line, and on failure a problem, never a trace."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from aiohttp import web

from kernel.http.problem import Problem
from kernel.telemetry import logged_as

SECURITY_HEADERS: Final[dict[str, str]] = {
    "Server": "dojo",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    # For answers that are no page. A page brings a policy of its own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
STRICT_TRANSPORT: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""A year, for this host alone: what other names under its domain speak is not ours to say."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
LOGGED: web.RequestKey[dict[str, object]] = web.RequestKey("logged", dict)
"""What else the request's log line says: a handler that learns who asks puts `tenant_id` and `user_id` here."""

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00."""


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware but for measuring. Takes `X-Request-ID` and `traceparent` if they are well formed."""
    return await _around(request, handler, SECURITY_HEADERS)


@web.middleware
async def answering_https(request: web.Request, handler: Handler) -> web.StreamResponse:
    """`answering`, where clients reach this only over https: browsers are told never to try anything else."""
    return await _around(request, handler, SECURITY_HEADERS | STRICT_TRANSPORT)


async def _around(request: web.Request, handler: Handler, security: Mapping[str, str]) -> web.StreamResponse:
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    trace = _TRACE_PARENT.fullmatch(request.headers.get("traceparent", ""))
    request[REQUEST_ID] = request_id
    logged: dict[str, object] = {}
    request[LOGGED] = logged
    started = time.perf_counter()
    with logged_as(request_id=request_id, trace_id=trace[1] if trace else None):
        response = await _answer(request, handler)
        response.headers["X-Request-ID"] = request_id
        for name, value in security.items():
            response.headers.setdefault(name, value)
        milliseconds = (time.perf_counter() - started) * 1000
        # The path only: a query may hold a token.
        log.info(
            "%s %s %.1f ms",
            request.method,
            request.rel_url.raw_path,
            milliseconds,
            extra={"status_code": response.status, **logged},
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
