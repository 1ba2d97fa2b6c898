"""Which outside issuers may say who somebody is, and for whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from edge.identity.oidc.settings import OperatorIssuer
from edge.identity.oidc.url import UrlRefused, issuer_url


@dataclass(frozen=True, slots=True)
class Registration:
    """An issuer and one of its clients, taken for one tenant."""

    issuer: str
    client_id: str
    tenant: UUID | None
    """None only with `tenant_claim`: the token says it."""
    operator: bool = False
    """Configured by the operator, not registered by a tenant's admin."""
    tenant_claim: str | None = None
    """Read only from tokens of the operator's issuers: anybody else's could name any tenant."""


Lookup = Callable[[str, str], Awaitable[Registration | None]]
"""(issuer, client id) -> who registered exactly this pair."""


class OperatorIssuers:
    """The issuers of the settings. They come before the tenants' own: no tenant can take one over."""

    def __init__(self, configured: Iterable[OperatorIssuer]) -> None:
        """Raises `ValueError` when an issuer is no https URL, a pair is named twice, or an issuer has neither or both
        of `tenant` and `tenant_claim`."""
        self._by_pair: dict[tuple[str, str], Registration] = {}
        for entry in configured:
            try:
                issuer_url(entry.issuer)
            except UrlRefused as error:
                raise ValueError(f"oidc.issuers: `{entry.issuer}`: {error}") from error
            if (entry.tenant is None) == (entry.tenant_claim is None):
                raise ValueError(f"oidc.issuers: `{entry.issuer}` needs one of `tenant` and `tenant_claim`")
            for client_id in entry.client_ids:
                if (entry.issuer, client_id) in self._by_pair:
                    raise ValueError(f"oidc.issuers: `{entry.issuer}` names the client `{client_id}` twice")
                self._by_pair[entry.issuer, client_id] = Registration(
                    entry.issuer, client_id, entry.tenant, operator=True, tenant_claim=entry.tenant_claim
                )

    def find(self, issuer: str, client_id: str) -> Registration | None:
        return self._by_pair.get((issuer, client_id))
