"""How often strangers may try what is worth guessing, slow, or mails somebody."""

from __future__ import annotations

from typing import Final

from edge.identity.attempt_limits import AttemptLimits
from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.operation import Origin
from kernel.http.problem import Problem
from kernel.network import prefix_of

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


class Attempts:
    """Counts attempts in the buckets that all processes share."""

    def __init__(self, buckets: Buckets, limits: AttemptLimits) -> None:
        self._buckets = buckets
        minute, hour = limits.logins_per_network_per_minute, limits.mails_per_network_per_hour
        pair, address = limits.logins_per_account_and_network, limits.mails_per_address_per_hour
        self._login_network = Bucket(minute, minute / _MINUTE)
        self._login_pair = Bucket(pair, pair / (limits.login_minutes * _MINUTE))
        self._mail_network = Bucket(hour, hour / _HOUR)
        self._mail_address = Bucket(address, address / _HOUR)

    async def login(self, email: str, origin: Origin) -> None:
        """Before a password that came with `email` is looked at. Raises `Problem` 429."""
        network = prefix_of(origin.network)
        await self._take(
            Draw("login.network", network, self._login_network),
            Draw("login.pair", f"{email}\n{network}", self._login_pair),
        )

    async def password(self, user: str, origin: Origin) -> None:
        """Before a password of somebody signed in is looked at. Raises `Problem` 429."""
        await self._take(Draw("password.pair", f"{user}\n{prefix_of(origin.network)}", self._login_pair))

    async def mail(self, purpose: str, email: str, origin: Origin) -> None:
        """Before a mail is written to `email`. Raises `Problem` 429."""
        await self._take(
            Draw(f"{purpose}.network", prefix_of(origin.network), self._mail_network),
            Draw(f"{purpose}.address", email, self._mail_address),
        )

    async def _take(self, *draws: Draw) -> None:
        wait = await self._buckets.take(*draws)
        if wait > 0:
            seconds = max(1, int(wait + 0.999))
            raise Problem(
                429, "too_many_attempts", "too many attempts; wait and try again", {"Retry-After": str(seconds)}
            )
