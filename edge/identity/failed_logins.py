"""Failed logins of accounts there are, for the audit logs of their companies."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from edge.identity.audit_later import ACQUIRE_SECONDS, AuditLater
from edge.identity.memberships import users_of
from kernel import audit
from kernel.database import identity_scope
from kernel.http.operation import Origin

ACTION = "login.failed"


class FailedLogins:
    """Notes wrong passwords. Written later: only accounts that exist have something to be written."""

    def __init__(self, pool: Any, later: AuditLater) -> None:
        self._pool = pool
        self._later = later

    def note(self, identity: UUID | None, origin: Origin) -> None:
        """A wrong password came for `identity`; None: for nobody, and nothing is written."""
        if identity is None:
            return
        known = identity

        async def write() -> None:
            async with identity_scope(self._pool, known, acquire_seconds=ACQUIRE_SECONDS) as db:
                async for tenant, user in users_of(db, known):
                    await audit.append(db, tenant=tenant, actor=None, action=ACTION, target=user, origin=origin)

        self._later.append(ACTION, write)
