"""The cookie with a browser's refresh token: no script reads it, no other site's page sends it.

It travels to the routes under `PATH` only. Who sends it must also show the Origin of a page that may act here: another
port of the same host is the same site for a browser, but another origin.
"""

from __future__ import annotations

from typing import Final

from kernel.http.operation import Origin
from kernel.http.problem import Problem

NAME: Final = "dojo_refresh"
PATH: Final = "/api/v1/auth"


def given(origin: Origin) -> str | None:
    """The refresh token that came as a cookie."""
    return origin.cookies.get(NAME) or None


def setting(token: str, *, seconds: int, origin: Origin) -> dict[str, str]:
    """The header that keeps `token` for `seconds`. `Secure` if the page came over https: without it, on one's own
    machine, a browser would drop the cookie."""
    return _header(token, seconds, origin)


def clearing(origin: Origin) -> dict[str, str]:
    """The header that ends the cookie, if one came."""
    return _header("", 0, origin) if NAME in origin.cookies else {}


def check_origin(origin: Origin) -> None:
    """Raises `Problem` 403 unless the request comes from a page that may act here."""
    if origin.web_origin is None or origin.foreign:
        raise Problem(403, "origin_not_allowed", "only pages of this Dojo sign in with a cookie")


def _header(value: str, seconds: int, origin: Origin) -> dict[str, str]:
    secure = "; Secure" if (origin.web_origin or "").lower().startswith("https://") else ""
    return {"Set-Cookie": f"{NAME}={value}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"}
