"""How often strangers may try what is worth guessing, slow, or mails somebody."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.operation import Origin
from kernel.http.problem import Problem
from kernel.network import prefix_of

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0

_Number = Annotated[float, msgspec.Meta(ge=1)]


class AttemptLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Past one of these the API answers 429, alike for addresses that have an account and for those that have none."""

    logins_per_network_per_minute: _Number = 20.0
    """Per network address (of IPv6: per /64)."""
    logins_per_account_and_network: _Number = 10.0
    """For one account from one network address, refilled over `login_minutes`. It slows the pair, so that nobody can
    lock somebody else out."""
    login_minutes: _Number = 15.0
    mails_per_address_per_hour: _Number = 5.0
    """Sign-ups, password resets and verifications, each counted on its own."""
    mails_per_network_per_hour: _Number = 20.0


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
