"""The door of a dojo: what somebody who is held there is told at last."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from collab_core.admission import Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.journal.memory import MemoryJournal
from edge.dojos.turns.watch import Watch
from edge.live import dojo_gate
from edge.live.credentials import Credentials
from edge.live.dojo_gate import DojoGate
from edge.live.gate import RoomGate
from edge.live.gates import Gates
from edge.live.live_dojos import LiveDojos
from edge.live.place import SeatedAdmission
from kernel.tokens.one_use import OneUse
from kernel.tokens.signing_key import SigningKey
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, DojoApi, Someone, serving_dojos

HELD_SECONDS = 0.05
KEY = SigningKey.generate()


@pytest.fixture
async def api(database: Database, redis: Redis) -> Any:
    async with serving_dojos(database, redis) as found:
        yield found


@pytest.fixture
def gates(api: DojoApi, monkeypatch: pytest.MonkeyPatch) -> Gates:
    monkeypatch.setattr(dojo_gate, "HOLD_SECONDS", HELD_SECONDS)
    credentials = Credentials(api.services.authority, OneUse(api.pool, None), [], time.time)

    async def renew(*_: object) -> Any:
        raise AssertionError("nobody renews here")

    watch = Watch(api.pool, None, node="n1")
    live = LiveDojos(api.pool, MemoryJournal(), None, renew=renew, watch=watch, node="n1")
    return Gates(RoomGate(credentials, KEY.verifier()), DojoGate(credentials, live), live)


def upgrade(path: str, token: str) -> UpgradeRequest:
    return UpgradeRequest(path, {"token": token}, {}, ())


async def refusal(gates: Gates, path: str, token: str) -> tuple[CloseCode, str]:
    with pytest.raises(Refused) as refused:
        await gates.admit(upgrade(path, token))
    return refused.value.code, refused.value.reason


async def hosted(api: DojoApi) -> tuple[Someone, Someone]:
    tenant = await api.company()
    return await api.person(tenant, "Ana Host"), await api.person(tenant, "Ben Member")


async def test_who_is_held_too_long_is_told_what_they_wait_for(api: DojoApi, gates: Gates) -> None:
    ana, ben = await hosted(api)
    waiting = await api.dojo(ana, waitingRoom=True)
    later = await api.dojo(ana, scheduledStartTime=(datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    both = await api.dojo(
        ana, waitingRoom=True, scheduledStartTime=(datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    )
    for dojo, reason in ((waiting, "waiting_room"), (later, "not_started"), (both, "waiting_room")):
        path = f"{PATH}/{dojo['dojoId']}/live"
        assert await refusal(gates, path, ben.token) == (CloseCode.ROOM_UNAVAILABLE, reason)
    admitted = await gates.admit(upgrade(f"{PATH}/{later['dojoId']}/live", ana.token))
    assert isinstance(admitted, SeatedAdmission)
    assert admitted.place.entered_at is not None


async def test_room_tickets_of_a_suspended_company_open_nothing_however_long_ago(api: DojoApi, gates: Gates) -> None:
    """Revocations are forgotten after minutes, and room tickets live for hours."""
    tenant = await api.company()
    ticket = KEY.mint(
        tenant=tenant, user=uuid4(), name="Ana", rooms=["*"], write=True, now=time.time(), seconds=12 * 3600
    )
    admission = await gates.admit(upgrade("/api/v1/rooms/kata/sync", ticket))
    await api.everything.execute("UPDATE tenants SET status = 'SUSPENDED'; DELETE FROM revocations")
    assert await refusal(gates, "/api/v1/rooms/kata/sync", ticket) == (CloseCode.UNAUTHENTICATED, "revoked")
    with pytest.raises(Refused, match="revoked"):
        await gates.renew(ticket, admission)
    await api.everything.execute("UPDATE tenants SET status = 'ACTIVE' WHERE tenant_id = $1", tenant)
    assert (await gates.admit(upgrade("/api/v1/rooms/kata/sync", ticket))).can_write
