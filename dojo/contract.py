"""The contract: the API's description, the page that shows it, and the table of who may do what. All three are made
from the operations that are served, and committed, so that a change of the contract is seen as one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from dojo.api_services import ApiServices
from dojo.page import DIST, content_security_policy
from dojo.settings import Settings
from kernel.http.openapi import document, text_of
from kernel.http.operation import Operation, Role
from kernel.http.problem import Problem
from kernel.secrets import KEY_BYTES, MasterKeys
from kernel.tokens import SigningKey

VERSION: Final = "1"
"""Of the contract: the number in its paths. Within it only optional fields and new routes are added."""
PATH: Final = "/api/v1/openapi.json"
PAGE_PATH: Final = "/api/docs"

_DESCRIPTION: Final = """\
The API of Dojo, for browsers and native apps alike.

Sign in with `login`, send the access token as `Authorization: Bearer`, and get a new one with `refresh` before it ends.
What goes wrong is answered as `application/problem+json` (RFC 9457) with a stable `code`. Fields may be added to
answers: ignore those you do not know. Unknown fields of requests are refused. Lists answer `items` and `pagination`.
"""
_ROLES_HEAD: Final = """\
# Who may do what

Every operation of the API and the roles that may ask for it, as declared on the operation and checked in one place.
Made by `make openapi`; a test compares it with the code. An operation without roles needs no access token.

"""


def operations() -> list[Operation]:
    """Everything a Dojo with default settings can be asked. Nothing is started or connected to."""
    services = ApiServices(
        Settings(), pool=None, redis=None, master=MasterKeys([bytes(KEY_BYTES)]), room_key=SigningKey.generate()
    )
    return services.operations()


def describe(served: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    return document(served, title="Dojo", version=VERSION, description=_DESCRIPTION)


def openapi_text() -> str:
    """`docs/openapi.json`."""
    return text_of(describe(operations()))


def roles_text() -> str:
    """`docs/roles.md`: Markdown, one line per operation."""
    head = ["method", "path", *(role.value for role in Role)]
    lines = [_row(head), _row(["---"] * len(head))]
    for operation in sorted(operations(), key=lambda each: (each.path, each.method)):
        access = operation.access
        marks = ["" if access is None or role not in access else "yes" for role in Role]
        lines.append(_row([operation.method, f"`{operation.path}`", *marks]))
    return _ROLES_HEAD + "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


class Reference:
    """Serves the description of what this process serves, and the page that shows it."""

    def __init__(self, served: Sequence[Operation], live_url: str, dist: Path = DIST) -> None:
        self._body = text_of(describe(served)).encode()
        self._headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'}
        self._page = dist / "api.html"
        self._page_headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": content_security_policy(live_url),
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Two routes; add them before the page's, which take everything."""
        router.add_get(PATH, self._document)
        router.add_get(PAGE_PATH, self._show)

    async def _document(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == self._headers["ETag"]:
            return web.Response(status=304, headers=self._headers)
        return web.Response(body=self._body, content_type="application/json", headers=self._headers)

    async def _show(self, _request: web.Request) -> web.StreamResponse:
        if not self._page.is_file():
            raise Problem(503, "page_not_built", f"run `make setup` to build this page; {PATH} has what it shows")
        return web.FileResponse(self._page, headers=self._page_headers)
