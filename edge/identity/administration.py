"""Administration of people and companies put together: what the API process binds besides `accounts`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from edge.identity.attempts import Attempts
from edge.identity.audit_trail import AuditTrail
from edge.identity.erasure import Forget, Removal
from edge.identity.export import PersonalExport, Tell
from edge.identity.invitations import Invitations
from edge.identity.passwords import PasswordHashing
from edge.identity.tenant import Tenant
from edge.identity.tenant_export import TenantExport
from edge.identity.users import Users
from kernel.buckets import Buckets
from kernel.http.operation import Operation
from kernel.secrets import MasterKeys


class Administration:
    """Routes of administrators, and of people who leave or want to know what is known about them."""

    def __init__(
        self,
        pool: Any,
        *,
        buckets: Buckets,
        hashing: PasswordHashing,
        attempts: Attempts,
        master: MasterKeys,
        ring: Callable[[], Awaitable[None]],
        base_url: str,
        forget: Sequence[Forget] = (),
        tell: Mapping[str, Tell] = MappingProxyType({}),
    ) -> None:
        """`pool` has connections of the services' role, two more than requests need: each export keeps one. `ring`
        makes every process look at what was revoked. `base_url` is the page's address, for links in mails.
        `forget` is asked for everybody who is removed, `tell` for everybody who wants to know what is known of them."""
        self._routes = (
            Users(ring),
            Removal(hashing, attempts, ring, forget),
            PersonalExport(tell),
            Invitations(master, buckets, base_url),
            Tenant(ring),
            TenantExport(pool),
            AuditTrail(),
        )

    def operations(self) -> list[Operation]:
        """All of them."""
        return [operation for routes in self._routes for operation in routes.operations()]
