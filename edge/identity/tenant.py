"""A company as its administrators see it: its name, its seats, its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import msgspec

from edge.identity import quotas
from edge.identity.me import shown_name
from kernel import audit
from kernel.http.fields import Instant, Name, one_line
from kernel.http.operation import ADMINS, Call, Operation
from kernel.http.problem import Problem, not_found


class TenantView(msgspec.Struct, frozen=True, rename="camel"):
    """A company. `seatsTaken` counts people who are not removed, and open invitations."""

    tenant_id: UUID
    name: str
    status: Literal["ACTIVE", "SUSPENDED", "ERASING"]
    max_users: int
    seats_taken: int
    created_at: Instant


class TenantName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the company is called."""

    name: Name


class Tenant:
    """The caller's company."""

    def __init__(self, ring: Callable[[], Awaitable[None]]) -> None:
        """`ring` makes every process look at what was revoked."""
        self._ring = ring

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/tenant", "tenant"
        return (
            Operation("GET", path, self.get_tenant, access=ADMINS, tag=tag),
            Operation("PATCH", path, self.rename_tenant, access=ADMINS, tag=tag, problems={"invalid_name": 400}),
            Operation(
                "DELETE", path, self.erase_tenant, access=ADMINS, tag=tag, status=202, problems={"wrong_name": 409}
            ),
        )

    async def get_tenant(self, call: Call[None, None]) -> TenantView:
        """The caller's company."""
        return await _view(call.db, call.caller.tenant)

    async def rename_tenant(self, call: Call[TenantName, None]) -> TenantView:
        """Give the company another name."""
        name, tenant = shown_name(call.body.name), call.caller.tenant
        await call.db.execute("UPDATE tenants SET name = $2, updated_at = now() WHERE tenant_id = $1", tenant, name)
        await audit.note(call, "tenant.renamed", tenant)
        return await _view(call.db, tenant)

    async def erase_tenant(self, call: Call[TenantName, None]) -> None:
        """End the company: everybody is signed out within seconds, and all its data is erased within minutes.

        `name` must be the company's name, as proof that it is meant. It cannot be undone.
        """
        tenant = call.caller.tenant
        await quotas.lock_members(call.db, tenant)
        name = await call.db.fetchval("SELECT name FROM tenants WHERE tenant_id = $1", tenant)
        if one_line(call.body.name) != one_line(name):
            raise Problem(409, "wrong_name", "this is not the company's name; nothing was erased")
        # The trigger refuses every token of the tenant; the worker erases.
        await call.db.execute(
            "UPDATE tenants SET status = 'ERASING', updated_at = now() WHERE tenant_id = $1 AND status <> 'ERASING'",
            tenant,
        )
        await audit.note(call, "tenant.erasure_requested", tenant)
        call.after_commit(self._ring)


async def _view(db: Any, tenant: UUID) -> TenantView:
    row = await db.fetchrow("SELECT tenant_id, name, status, created_at FROM tenants WHERE tenant_id = $1", tenant)
    if row is None:
        raise not_found()
    taken, there_are = await quotas.seats(db, tenant)
    return TenantView(row["tenant_id"], row["name"], row["status"], there_are, taken, row["created_at"])
