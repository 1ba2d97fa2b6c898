"""Outside tokens that were not taken, for the log and for the audit log of the tenant that was meant."""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import UUID

from edge.identity.audit_later import ACQUIRE_SECONDS, AuditLater
from kernel import audit
from kernel.buckets import Bucket, Buckets, Draw
from kernel.database import tenant_scope
from kernel.http.operation import Origin

ACTION: Final = "exchange.refused"
PER_TENANT: Final = Bucket(100, 1 / 60)
"""Entries of one tenant: anybody can send tokens that name a known issuer, and the audit log only grows."""

log = logging.getLogger(__name__)


class RefusedExchanges:
    """Notes refusals. Written later: only registered issuers have a tenant whose audit log there is."""

    def __init__(self, pool: Any, buckets: Buckets, later: AuditLater) -> None:
        self._pool = pool
        self._buckets = buckets
        self._later = later

    def note(self, reason: str, origin: Origin, *, issuer: str | None = None, tenant: UUID | None = None) -> None:
        """A token was not taken. `issuer` only if it is registered: anybody else's text stays out of the logs."""
        log.info("an outside token was refused: %s, issuer %s", reason, issuer or "not known here")
        if tenant is None or issuer is None:
            return
        meant, details = tenant, {"issuer": issuer, "reason": reason}

        async def write() -> None:
            if await self._buckets.take(Draw("oidc.refused", str(meant), PER_TENANT)) > 0:
                return
            async with tenant_scope(self._pool, meant, acquire_seconds=ACQUIRE_SECONDS) as db:
                await audit.append(db, tenant=meant, actor=None, action=ACTION, origin=origin, details=details)

        self._later.append(ACTION, write)
