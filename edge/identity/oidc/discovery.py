"""An issuer's own description (OpenID Connect Discovery 1.0): all that is taken from it is where its keys are."""

from __future__ import annotations

import msgspec

from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from edge.identity.oidc.strict_json import NotStrictJson, read_object
from edge.identity.oidc.url import HttpsUrl, UrlRefused, keys_url


class _Document(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


def keys_location(document: bytes, issuer: str) -> HttpsUrl:
    """The `jwks_uri` of `issuer`. The document must name the issuer it was asked of, character by character: otherwise
    one server could speak for another (section 4.3). Raises `IssuerUnavailable`."""
    try:
        described = msgspec.convert(read_object(document), _Document)
    except (NotStrictJson, msgspec.ValidationError):
        raise IssuerUnavailable(Fault.MALFORMED) from None
    if described.issuer != issuer:
        raise IssuerUnavailable(Fault.OTHER_ISSUER)
    try:
        return keys_url(described.jwks_uri)
    except UrlRefused:
        raise IssuerUnavailable(Fault.BAD_URL) from None
