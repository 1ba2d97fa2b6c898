"""Problems: what an answer says when something went wrong (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that says what went wrong. `code` is stable and for programs, `detail` is for people.

    `members` are further members of the document, as RFC 9457 allows them.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> web.Response:
        """As application/problem+json: `type`, `title`, `status`, `code`, `detail`, and its own members."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            # It may quote what was sent, and headers may hold bytes that are no UTF-8.
            "detail": self.detail.encode(errors="replace").decode(),
            **self.members,
        }
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(document),
            content_type=PROBLEM_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


def too_many(seconds: float, detail: str = "too many requests; wait and try again") -> Problem:
    """429, with the whole seconds to wait in Retry-After."""
    return Problem(429, "too_many_requests", detail, {"Retry-After": str(max(1, int(seconds + 0.999)))})


def not_found() -> Problem:
    """404, the same for what is not there and for what is somebody else's."""
    return Problem(404, "not_found", "there is nothing of that id")


def unauthenticated(code: str, detail: str) -> Problem:
    """401 with the challenge that RFC 6750 asks for."""
    return Problem(401, code, detail, {"WWW-Authenticate": "Bearer"})


def busy(code: str, detail: str, seconds: int = 1) -> Problem:
    """503: nothing is wrong with the request, and it may be repeated after `seconds`."""
    return Problem(503, code, detail, {"Retry-After": str(seconds)})
