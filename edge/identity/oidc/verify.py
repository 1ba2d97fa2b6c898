"""What an outside token proves: OpenID Connect Core 1.0, section 3.1.3.7, and Cognito's access tokens.

Pure: the token, the key and the time come in, a person or a refusal comes out.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from edge.identity.oidc.jwks import Key
from edge.identity.oidc.refusals import Refusal, TokenRefused
from edge.identity.oidc.registration import Registration
from edge.identity.oidc.signed import SignedToken
from edge.identity.oidc.url import ISSUER_CHARACTERS, UrlRefused, issuer_url

LEEWAY_SECONDS: Final = 60
"""How far the issuer's clock may be from ours."""
AGE_SECONDS: Final = 3600
"""An older token is not exchanged, however long it says it is valid."""
AUDIENCES_MOST: Final = 20
NAME_CHARACTERS: Final = 100
EMAIL_CHARACTERS: Final = range(3, 254 + 1)
TENANT_CLAIM_CHARACTERS: Final = 200
_YEAR_10000 = 253_402_300_800

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=_YEAR_10000)] | Annotated[float, msgspec.Meta(ge=0, le=_YEAR_10000)]
_ID = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)
_Id = Annotated[str, msgspec.Meta(pattern=rf"^{_ID.pattern}\Z")]
"""Printable ASCII: what RFC 6749 allows in a client id and OpenID Connect in a subject."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class _Claims(msgspec.Struct, frozen=True):
    iss: Annotated[str, msgspec.Meta(min_length=1, max_length=ISSUER_CHARACTERS)]
    sub: _Id
    exp: _Seconds
    iat: _Seconds
    nbf: _Seconds | None = None
    aud: str | list[str] | None = None
    """Checked by hand: in msgspec 0.22 a `pattern` in a union with a list corrupts memory."""
    azp: _Id | None = None
    token_use: str | None = None
    """Cognito's: "id" or "access"."""
    client_id: _Id | None = None
    nonce: str | None = None
    typ: str | None = None
    """Keycloak's: "ID", or "Bearer" in an access token."""
    events: Any = None
    """A logout token's (OpenID Connect Back-Channel Logout 1.0)."""


@dataclass(frozen=True, slots=True)
class OutsidePerson:
    """Whom an issuer speaks of. (issuer, subject) is who they are; the e-mail is only what the issuer says of them."""

    registration: Registration
    issuer: str
    subject: str
    client_id: str
    email: str | None
    """NFC, lower case."""
    email_verified: bool
    """The issuer says it checked. It proves nothing unless the domain is known to be the issuer's."""
    name: str | None
    tenant_claim: str | None
    """Only with a registration of the operator's that names the claim."""
    token_kind: Literal["id", "access"]
    expires_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, repr=False)
class Claimed:
    """A token whose claims have the right form, and what it asks to be checked against. Nothing is proven yet."""

    token: SignedToken
    issuer: str
    client_id: str
    kind: Literal["id", "access"]
    _claims: _Claims

    def prove(self, registration: Registration, key: Key, now: float, nonce: str | None = None) -> OutsidePerson:
        """Raises `TokenRefused` unless `key` signed it, for this registration, and it is in force at `now`."""
        self.token.check(key)
        claims = self._claims
        if registration.issuer != self.issuer:
            raise TokenRefused(Refusal.UNKNOWN_ISSUER)
        if registration.client_id != self.client_id:
            raise TokenRefused(Refusal.WRONG_AUDIENCE)
        _in_force(claims, now)
        if nonce is not None and not hmac.compare_digest(nonce.encode(), (claims.nonce or "").encode()):
            raise TokenRefused(Refusal.NONCE)
        raw = self.token.claims
        return OutsidePerson(
            registration=registration,
            issuer=claims.iss,
            subject=claims.sub,
            client_id=self.client_id,
            email=_email(raw.get("email")),
            email_verified=raw.get("email_verified") in (True, "true"),
            name=_name(raw.get("name")),
            tenant_claim=_tenant(raw, registration),
            token_kind=self.kind,
            expires_at=float(claims.exp),
        )


def claimed(token: SignedToken) -> Claimed:
    """Reads the claims; raises `TokenRefused`."""
    try:
        claims = msgspec.convert(token.claims, _Claims)
    except msgspec.ValidationError:
        raise TokenRefused(Refusal.BAD_CLAIMS) from None
    try:
        issuer_url(claims.iss)
    except UrlRefused:
        raise TokenRefused(Refusal.UNKNOWN_ISSUER) from None
    if claims.events is not None or claims.typ not in (None, "ID"):
        raise TokenRefused(Refusal.WRONG_KIND)
    if claims.token_use == "access":  # noqa: S105
        if claims.client_id is None or claims.aud is not None:
            raise TokenRefused(Refusal.WRONG_AUDIENCE)
        if claims.sub == claims.client_id:
            raise TokenRefused(Refusal.WRONG_KIND)  # client credentials: a machine, no person
        return Claimed(token, claims.iss, claims.client_id, "access", claims)
    if claims.token_use not in (None, "id"):
        raise TokenRefused(Refusal.WRONG_KIND)
    return Claimed(token, claims.iss, _audience(claims), "id", claims)


def _audience(claims: _Claims) -> str:
    """The one client the token was issued to. With several audiences `azp` says which: so a token never has two
    registrations, of two tenants, to choose from."""
    if claims.aud is None:
        raise TokenRefused(Refusal.WRONG_AUDIENCE)
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not 0 < len(audiences) <= AUDIENCES_MOST or not all(_ID.fullmatch(audience) for audience in audiences):
        raise TokenRefused(Refusal.BAD_CLAIMS)
    if len(audiences) == 1:
        return audiences[0]
    if claims.azp is None or claims.azp not in audiences:
        raise TokenRefused(Refusal.WRONG_AUDIENCE)
    return claims.azp


def _in_force(claims: _Claims, now: float) -> None:
    if claims.exp <= claims.iat:
        raise TokenRefused(Refusal.BAD_CLAIMS)
    if claims.exp + LEEWAY_SECONDS <= now:
        raise TokenRefused(Refusal.EXPIRED)
    if max(claims.iat, claims.nbf or 0) - LEEWAY_SECONDS > now:
        raise TokenRefused(Refusal.NOT_YET_VALID)
    if claims.iat + AGE_SECONDS + LEEWAY_SECONDS <= now:
        raise TokenRefused(Refusal.TOO_OLD)


def _email(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    email = unicodedata.normalize("NFC", value).strip().lower()
    if len(email) not in EMAIL_CHARACTERS or email.count("@") != 1 or _CONTROL.search(email) or " " in email:
        return None
    return email


def _name(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    name = _CONTROL.sub(" ", unicodedata.normalize("NFC", value)).strip()
    return name[:NAME_CHARACTERS] or None


def _tenant(claims: dict[str, Any], registration: Registration) -> str | None:
    if not registration.operator or registration.tenant_claim is None:
        return None
    value = claims.get(registration.tenant_claim)
    if not isinstance(value, str) or not 0 < len(value) <= TENANT_CLAIM_CHARACTERS or _CONTROL.search(value):
        raise TokenRefused(Refusal.BAD_CLAIMS)
    return value
