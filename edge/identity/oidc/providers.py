"""The keys of outside issuers, kept in memory: asked for once whoever waits, and never more often than is polite."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge.identity.oidc.address import Reach
from edge.identity.oidc.discovery import keys_location
from edge.identity.oidc.fetch import Fetcher
from edge.identity.oidc.jwks import IssuerKeys, Key, read_keys
from edge.identity.oidc.refusals import Fault, IssuerUnavailable, Refusal, TokenRefused
from edge.identity.oidc.url import UrlRefused, discovery_url

FRESH_SECONDS: Final = 3600.0
"""After this long the keys are asked for again: one that the issuer withdrew must not live on."""
STALE_SECONDS: Final = 24 * 3600.0
"""Keys are used for so long while the issuer does not answer; tokens are at most an hour old anyway."""
UNKNOWN_KEY_SECONDS: Final = 60.0
"""An unknown key id makes the issuer's keys be asked for at most this often: anybody can invent key ids."""
BACK_OFF_SECONDS: Final = 2.0
BACK_OFF_MOST_SECONDS: Final = 60.0
"""Between failures: doubled from the first to the second, with up to a quarter of jitter."""
ISSUERS_MOST: Final = 1_000
"""Issuers remembered; the one unused for longest is forgotten. A thousand with three keys each are some 10 MB."""


@dataclass(slots=True, eq=False)
class _Issuer:
    url: str
    reach: Reach
    keys: IssuerKeys | None = None
    asked_at: float | None = None
    """The last exchange's start, whatever came of it."""
    got_at: float = 0.0
    failures: int = 0
    fault: Fault = Fault.UNREACHABLE
    retry_at: float = 0.0
    flight: asyncio.Task[None] | None = field(default=None, repr=False)


class Providers:
    """Used on one event loop. `close` ends what is under way."""

    def __init__(self, fetcher: Fetcher, *, operators: Reach, tenants: Reach, clock: Callable[[], float]) -> None:
        """`operators` and `tenants`: where issuers of either may live. `clock` gives Unix seconds."""
        self._fetcher = fetcher
        self._operators = operators
        self._tenants = tenants
        self._clock = clock
        self._issuers: OrderedDict[tuple[str, bool], _Issuer] = OrderedDict()

    async def key(self, issuer: str, kid: str, algorithm: str, *, operator: bool) -> Key:
        """The issuer's key of this id for this algorithm. Raises `TokenRefused` if it publishes none, and
        `IssuerUnavailable` while its keys cannot be had."""
        entry = self._entry(issuer, operator)
        keys = await self._keys(entry)
        if not keys.knows(kid) and self._may_ask_again(entry):
            await self._ask(entry)
            keys = entry.keys or keys
        key = keys.find(kid, algorithm)
        if key is None:
            raise TokenRefused(Refusal.UNKNOWN_KEY)
        return key

    async def check(self, issuer: str, *, operator: bool) -> None:
        """Whether an issuer answers as it should, before it is registered. Raises `IssuerUnavailable`."""
        await self._keys(self._entry(issuer, operator))

    async def close(self) -> None:
        flights = [entry.flight for entry in self._issuers.values() if entry.flight is not None]
        self._issuers.clear()
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _entry(self, issuer: str, operator: bool) -> _Issuer:
        entry = self._issuers.get((issuer, operator))
        if entry is None:
            entry = _Issuer(issuer, self._operators if operator else self._tenants)
            self._issuers[issuer, operator] = entry
            self._forget_one()
        self._issuers.move_to_end((issuer, operator))
        return entry

    def _forget_one(self) -> None:
        """Not one that is being asked: it would be asked twice at once."""
        if len(self._issuers) > ISSUERS_MOST:
            idle = (name for name, entry in self._issuers.items() if entry.flight is None)
            name = next(idle, None)
            if name is not None:
                del self._issuers[name]

    async def _keys(self, entry: _Issuer) -> IssuerKeys:
        now = self._clock()
        if entry.keys is None or not 0 <= now - entry.got_at < FRESH_SECONDS:
            if entry.flight is not None or now >= entry.retry_at:
                await self._ask(entry)
            if entry.keys is None or not self._clock() - entry.got_at < STALE_SECONDS:
                raise IssuerUnavailable(entry.fault)
        return entry.keys

    def _may_ask_again(self, entry: _Issuer) -> bool:
        now = self._clock()
        if entry.flight is not None:
            return True
        return now >= entry.retry_at and (entry.asked_at is None or now - entry.asked_at >= UNKNOWN_KEY_SECONDS)

    async def _ask(self, entry: _Issuer) -> None:
        """Wait for the exchange that is under way, or for a new one. It goes on when the one who waits goes away."""
        if entry.flight is None:
            entry.asked_at = self._clock()
            entry.flight = asyncio.create_task(self._refresh(entry), name="oidc-keys")
        await asyncio.shield(entry.flight)

    async def _refresh(self, entry: _Issuer) -> None:
        try:
            described = await self._fetcher.get(discovery_url(entry.url), entry.reach)
            location = keys_location(described, entry.url)
            entry.keys = read_keys(await self._fetcher.get(location, entry.reach))
        except (IssuerUnavailable, UrlRefused) as error:
            self._failed(entry, error.reason if isinstance(error, IssuerUnavailable) else Fault.BAD_URL)
        else:
            entry.got_at = self._clock()
            entry.failures = 0
            entry.retry_at = 0.0
        finally:
            entry.flight = None

    def _failed(self, entry: _Issuer, fault: Fault) -> None:
        pause = min(BACK_OFF_SECONDS * 2.0 ** min(entry.failures, 10), BACK_OFF_MOST_SECONDS)
        entry.failures += 1
        entry.fault = fault
        entry.retry_at = self._clock() + pause * random.uniform(0.75, 1.0)  # noqa: S311
