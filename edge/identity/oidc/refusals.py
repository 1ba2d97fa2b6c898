"""Why an outside token was not taken. Reasons are fixed texts: nothing that came from outside is ever quoted."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """What is wrong with a token."""

    MALFORMED = "malformed"
    """No compact JWS, too long, or its parts are no base64url of strict JSON."""
    BAD_HEADER = "bad_header"
    """A header that tries to choose its own key or needs extensions, or one without a key id."""
    ALGORITHM = "algorithm_not_allowed"
    WRONG_KIND = "wrong_kind"
    """Signed by the issuer, but not to say who somebody is: an access token, a logout token, a machine's token."""
    BAD_CLAIMS = "bad_claims"
    UNKNOWN_ISSUER = "unknown_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    TOO_OLD = "too_old"
    NONCE = "nonce_mismatch"


class Fault(StrEnum):
    """What is wrong with an issuer's own server, or with the way there."""

    BAD_URL = "bad_url"
    UNKNOWN_HOST = "unknown_host"
    ADDRESS = "address_not_allowed"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    STATUS = "status_not_200"
    CONTENT_TYPE = "not_json"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    OTHER_ISSUER = "other_issuer"
    """Its discovery document speaks for another issuer."""
    NO_KEYS = "no_usable_keys"
    BUSY = "busy"
    """Too many issuers are being asked at this moment."""


class TokenRefused(Exception):
    """The token is not taken."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be had now, so nothing can be said about its tokens."""

    def __init__(self, reason: Fault) -> None:
        super().__init__(reason.value)
        self.reason = reason
