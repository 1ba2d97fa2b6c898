"""Who asks: an access token, checked in memory."""

from __future__ import annotations

from kernel.http.operation import Caller, Role
from kernel.http.problem import busy, unauthenticated
from kernel.tokens.authority import UNVERIFIABLE, Authority
from kernel.tokens.jws import TokenRefused


class TokenAuthenticator:
    """Implements `kernel.http.router.Authenticator` with the keys and revocations that this process holds."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def authenticate(self, token: str) -> Caller:
        """Whose access token this is. Raises `Problem`: 401 `invalid_token`, whatever is wrong with it (a client
        refreshes, and signs in again if that fails), 503 when nobody can tell whether it was revoked."""
        try:
            claims = await self._authority.access(token)
        except TokenRefused as refused:
            if refused.reason == UNVERIFIABLE:
                raise busy("token_unverifiable", "nobody can tell whether this token is good; try again", 5) from None
            raise unauthenticated("invalid_token", f"the access token is not taken: {refused.reason}") from None
        return Caller(
            tenant=claims.tid,
            user=claims.sub,
            session=claims.sid,
            role=Role(claims.role),
            name=claims.name,
            version=claims.ver,
            expires_at=float(claims.exp),
        )
