"""What the operator says about outside issuers: the group `[oidc]` of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class OperatorIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer the operator vouches for. Its people belong to `tenant`, or to the tenant that `tenant_claim` names."""

    issuer: Name
    client_ids: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=50)]
    tenant: UUID | None = None
    tenant_claim: Name | None = None
    """For example `custom:tenant_id` with Cognito."""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Issuers are asked over https at public addresses only. What lies elsewhere has to be named here."""

    allowed_networks: tuple[str, ...] = ()
    """Networks (CIDR) besides the public ones in which the operator's own issuers may live."""
    tenant_networks: tuple[str, ...] = ()
    """The same for issuers that the tenants' admins registered. Whatever answers https there can be reached by any
    tenant's admin: leave it empty unless all tenants are yours."""
    ca_file: Path | None = None
    """Certificate authorities (PEM) trusted besides the system's."""
    issuers: tuple[OperatorIssuer, ...] = ()
    """The operator's own issuers."""
