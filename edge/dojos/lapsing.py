"""Dojos that nobody looks after end by themselves: those whose host never came, and those that everybody has left."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from edge.dojos.ending import end
from edge.dojos.states import Status, lapsed
from kernel import audit
from kernel.database import FAILURES, speak_for_tenant

DOJOS: Final = 50
"""Of one pass."""

log = logging.getLogger(__name__)

_LAPSED: Final = "SELECT tenant_id, dojo_id FROM dojos_lapsed($1, $2, $3)"
_STILL: Final = "SELECT EXISTS (SELECT FROM dojos_lapsed($1, $2, 1, $3))"
_WHY: Final = {Status.SCHEDULED: "no_show", Status.ACTIVE: "idle"}


async def end_lapsed(worker: Any, *, no_show: timedelta, idle: timedelta) -> bool:
    """End what was not started `no_show` after its hour, and what nobody has been in for `idle`; whether there may be
    more to do at once. Any number of workers may do it: each dojo ends once.

    `worker` is a connection of the worker's role. Raises what asyncpg raises when the dojos cannot be listed.
    """
    dojos = await worker.fetch(_LAPSED, no_show, idle, DOJOS)
    ended = 0
    for tenant, dojo in dojos:
        try:
            ended += await _end(worker, tenant, dojo, no_show, idle)
        except FAILURES as error:
            if worker.is_closed():
                raise
            log.error("dojo %s of tenant %s was not ended: %s", dojo, tenant, type(error).__name__)
    return ended > 0 and len(dojos) == DOJOS


async def _end(worker: Any, tenant: UUID, dojo: UUID, no_show: timedelta, idle: timedelta) -> bool:
    async with worker.transaction():
        await speak_for_tenant(worker, tenant)
        found = await worker.fetchval(
            "SELECT status FROM dojos WHERE tenant_id = $1 AND dojo_id = $2 FOR NO KEY UPDATE SKIP LOCKED", tenant, dojo
        )
        # Under the lock: somebody may have come meanwhile, put it off, or ended it.
        if found is None or not await worker.fetchval(_STILL, no_show, idle, dojo):
            return False
        now = Status(found)
        wanted = lapsed(now)
        await end(worker, tenant, dojo, now, wanted)
        await audit.append(
            worker,
            tenant=tenant,
            actor=None,
            action=f"dojo.{wanted.value.lower()}",
            target=dojo,
            details={"reason": _WHY[now]},
        )
    log.info("dojo %s of tenant %s is %s: %s", dojo, tenant, wanted.value, _WHY[now])
    return True
