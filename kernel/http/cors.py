"""Cross-origin requests: pages of other origins may use the API only when their origin is listed.

The list is one of exact origins. There is no `*`: with it any page could read what the reader's cookies open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from kernel.http.problem import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX: Final = "/api/"
"""What other origins may be let at; pages and their files are for their own origin."""
TAKEN_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-ID", "traceparent")
SHOWN_HEADERS: Final = ("X-Request-ID", "Retry-After", "Idempotency-Replayed", "Location", "ETag", "Accept-Post")
"""Headers of answers that a page of another origin can read."""
MAX_AGE_SECONDS: Final = 600
"""How long a browser keeps a preflight's answer: a shorter list of origins is in force that much later."""


class Cors:
    """The allow-list, in force on everything under `PREFIX`."""

    def __init__(self, allowed_origins: Iterable[str]) -> None:
        """`allowed_origins` as browsers send them: `https://dojo.example.com`."""
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        if self._allowed & {"*", "null"}:
            raise ValueError("list the origins that may use the API one by one: neither * nor null is one")

    def add_to(self, app: web.Application) -> None:
        """Answer preflights, and mark answers. Add it after the middleware that turns problems into answers."""
        app.middlewares.append(self._preflights())
        app.on_response_prepare.append(self._mark)

    def _preflights(self) -> Middleware:
        @web.middleware
        async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
            if (
                request.method != "OPTIONS"
                or not request.path.startswith(PREFIX)
                or not {"Origin", "Access-Control-Request-Method"} <= request.headers.keys()
            ):
                return await handler(request)
            if not self._allows(request):
                raise Problem(403, "origin_not_allowed", "pages of this origin may not use the API")
            refusal = request.match_info.http_exception
            if isinstance(refusal, web.HTTPMethodNotAllowed):
                answer: web.StreamResponse = web.Response(status=204)
                methods = set(refusal.allowed_methods)
            else:
                resource = request.match_info.route.resource
                if refusal is not None or resource is None or request.match_info.route.method != "OPTIONS":
                    return await handler(request)
                answer, methods = await handler(request), {route.method for route in resource} - {"OPTIONS"}
            answer.headers.update(
                {
                    "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
                    "Access-Control-Allow-Headers": ", ".join(TAKEN_HEADERS),
                    "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
                }
            )
            return answer

        return preflight

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        # A signal and not a middleware: it sees every answer, those to requests that came to nothing too.
        if not request.path.startswith(PREFIX):
            return
        # On answers to everybody: a cache must not hand one origin's answer to another.
        response.headers.add("Vary", "Origin")
        if self._allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = ", ".join(SHOWN_HEADERS)

    def _allows(self, request: web.Request) -> bool:
        return request.headers.get("Origin", "").lower() in self._allowed
