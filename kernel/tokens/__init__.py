"""Signed tokens: who someone is, what they may do, and how that ends before its time.

Three kinds, told apart by `typ` and never taken for one another: access tokens (ten minutes, of a signed-in
session), socket tickets (half a minute, one use) and room tickets (hours, without an account; Dojo on one's own
machine). The text of a token is in no exception raised here.
"""

from kernel.tokens.jws import LEEWAY_SECONDS, TOKEN_BYTES, KeyFileError, TokenRefused
from kernel.tokens.room_ticket import ALL_ROOMS, RoomClaims, TokenVerifier
from kernel.tokens.signing_key import SigningKey

__all__ = [
    "ALL_ROOMS",
    "LEEWAY_SECONDS",
    "TOKEN_BYTES",
    "KeyFileError",
    "RoomClaims",
    "SigningKey",
    "TokenRefused",
    "TokenVerifier",
]
