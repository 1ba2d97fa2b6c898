"""Tokens of outside issuers: from a text somebody sent to a person an issuer vouches for."""

from __future__ import annotations

from collections.abc import Callable

from edge.identity.oidc.address import Reach
from edge.identity.oidc.fetch import Fetcher
from edge.identity.oidc.providers import Providers
from edge.identity.oidc.refusals import Refusal, TokenRefused
from edge.identity.oidc.registration import Lookup
from edge.identity.oidc.resolve import Resolve, SystemResolver
from edge.identity.oidc.settings import OidcSettings
from edge.identity.oidc.signed import take_apart
from edge.identity.oidc.url import issuer_url
from edge.identity.oidc.verify import OutsidePerson, claimed


class OutsideTokens:
    """Checks outside tokens. One per process, used on one event loop; `close` it at the end."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float], resolve: Resolve | None = None) -> None:
        """`clock` gives Unix seconds; `resolve` is the machine's resolver unless given. Raises `ValueError` on a
        setting that cannot be used."""
        self._clock = clock
        self._system = SystemResolver()
        fetcher = Fetcher(resolve or self._system, settings.ca_file)
        self._providers = Providers(
            fetcher,
            operators=Reach(settings.allowed_networks),
            tenants=Reach(settings.tenant_networks),
            clock=clock,
        )

    async def verify(self, token: str, issuers: Lookup, nonce: str | None = None) -> OutsidePerson:
        """Whom the token proves to be here, for the registration that `issuers` finds.

        Only a registered issuer is ever asked for its keys. Raises `TokenRefused`, or `IssuerUnavailable` when the
        issuer's keys cannot be had now (worth another try later).
        """
        claim = claimed(take_apart(token))
        registration = await issuers(claim.issuer, claim.client_id)
        if registration is None:
            raise TokenRefused(Refusal.UNKNOWN_ISSUER)
        key = await self._providers.key(
            claim.issuer, claim.token.kid, claim.token.algorithm, operator=registration.operator
        )
        return claim.prove(registration, key, self._clock(), nonce)

    async def check_issuer(self, issuer: str) -> None:
        """For a tenant's admin who registers an issuer: raises `UrlRefused` when it is no issuer URL, and
        `IssuerUnavailable` when it does not answer with a configuration and keys."""
        issuer_url(issuer)
        await self._providers.check(issuer, operator=False)

    async def close(self) -> None:
        await self._providers.close()
        self._system.close()
