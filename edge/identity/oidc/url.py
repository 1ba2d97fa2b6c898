"""https URLs of issuers and their keys, in the one spelling that leaves no parser a choice."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

ISSUER_CHARACTERS: Final = 255
KEYS_URL_CHARACTERS: Final = 2_000
_HOST_CHARACTERS: Final = 253

_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    r"https://(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<path>(?:/{_PCHAR}*)*)(?P<query>\?(?:{_PCHAR}|[/?])*)?",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?=[/?]|$)", re.ASCII | re.IGNORECASE)


class UrlRefused(ValueError):
    """The text says what is wrong with the URL, without quoting it."""


@dataclass(frozen=True, slots=True)
class HttpsUrl:
    """A checked URL. `host` is a name or the text of an address, without brackets."""

    text: str
    host: str
    port: int


def issuer_url(text: str) -> HttpsUrl:
    """An issuer identifier: https, lower-case ASCII host, no user, query or fragment (OpenID Connect Discovery 1.0,
    section 3). Raises `UrlRefused`."""
    return _parse(text, ISSUER_CHARACTERS, query=False)


def discovery_url(issuer: str) -> HttpsUrl:
    """Where an issuer's configuration is. Raises `UrlRefused`."""
    issuer_url(issuer)
    return _parse(issuer.removesuffix("/") + "/.well-known/openid-configuration", KEYS_URL_CHARACTERS, query=False)


def keys_url(text: str) -> HttpsUrl:
    """A `jwks_uri`: as an issuer's, on any host, and with a query if it likes. Raises `UrlRefused`."""
    return _parse(text, KEYS_URL_CHARACTERS, query=True)


def _parse(text: str, most: int, *, query: bool) -> HttpsUrl:
    if len(text) > most:
        raise UrlRefused(f"a URL of more than {most} characters")
    if not text.startswith("https://"):
        raise UrlRefused("only https is taken")
    match = _URL.fullmatch(text)
    if match is None or (match["query"] is not None and not query):
        raise UrlRefused("not a plain URL: https://host[:port][/path], the host in lower-case ASCII")
    if _DOT_SEGMENT.search(match["path"]):
        raise UrlRefused("a path with dot segments")
    port = int(match["port"] or 443)
    if port > 65535:
        raise UrlRefused("there is no such port")
    return HttpsUrl(text, _v6(match["v6"]) if match["v6"] else _name(match["name"]), port)


def _v6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise UrlRefused("not an IPv6 address") from None


def _name(text: str) -> str:
    labels = text.split(".")
    if len(text) > _HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("not a host name")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        # 127.1, 0x7f000001 and 2130706433 are addresses to some resolvers and names to others.
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise UrlRefused("an IPv4 address has four decimal numbers") from None
    return text
