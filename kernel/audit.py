"""The audit log: who did what that matters, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.http.operation import Call, Origin

ACTION_CHARACTERS: Final = 60


async def append(
    db: Any,
    *,
    tenant: UUID,
    actor: UUID | None,
    action: str,
    target: UUID | None = None,
    origin: Origin | None = None,
    details: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Add an entry that is there exactly if the transaction of `db`, which speaks for `tenant`, commits.

    `action` as `user.role_changed`. `actor` is None where nobody was signed in. `details` hold ids and choices, never a
    secret and no e-mail address: the log outlives the person's data.
    """
    if not 0 < len(action) <= ACTION_CHARACTERS:
        raise ValueError(f"an action has 1 to {ACTION_CHARACTERS} characters")
    await db.execute(
        "INSERT INTO audit_log (tenant_id, actor_id, action, target_id, network, request_id, details)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)",
        tenant,
        actor,
        action,
        target,
        origin.network if origin is not None else None,
        origin.request_id if origin is not None else None,
        msgspec.json.encode(details or {}).decode(),
    )


async def note(
    call: Call[Any, Any], action: str, target: UUID, details: Mapping[str, str | int | bool | None] | None = None
) -> None:
    """`append` of what the caller did, in the transaction of the call."""
    await append(
        call.db,
        tenant=call.caller.tenant,
        actor=call.caller.user,
        action=action,
        target=target,
        origin=call.origin,
        details=details,
    )
