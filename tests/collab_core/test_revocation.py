"""What was shown to get in is revoked: whoever is inside goes, and whoever is on the way in does not arrive."""

from __future__ import annotations

import asyncio
import time

from collab_core.closes import CloseCode
from collab_core.hub import EXPELLED_AT_ONCE
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.port import Loaded
from tests.collab_core.live import live, on_uvloop, tenant_of, until, user_of

EXPIRED_SECONDS = 5.0
"""A connection is closed this soon after its token has ended."""


@on_uvloop
async def test_members_who_were_revoked_are_closed_in_all_their_rooms_and_nobody_else() -> None:
    async with live() as server:
        ana, there = await server.member("ana"), await server.member("ana", "other", dojo=True)
        elsewhere, ben = await server.member("ana", tenant="another"), await server.member("ben")
        server.door.revoked.add(user_of("ana"))
        server.server.review({tenant_of("acme")})
        for gone in (ana, there):
            assert await gone.until_closed() == (CloseCode.UNAUTHENTICATED, "revoked")
        await until(lambda: server.metrics.members == 2)
        assert elsewhere.closed is None, "its tenant was not named"
        await ben.type("still here")
        await until(lambda: server.text() == "still here")


@on_uvloop
async def test_a_whole_company_goes_and_others_get_their_turn_meanwhile() -> None:
    async with live() as server:
        many = [await server.member("ana") for _ in range(EXPELLED_AT_ONCE + 5)]
        server.door.revoked.add(user_of("ana"))
        turns = 0
        expelling = asyncio.get_running_loop().create_task(
            server.hub.expel({tenant_of("acme")}, server.door.review), name="expel"
        )
        while not expelling.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 2
        for one in many:
            assert (await one.until_closed()).code == CloseCode.UNAUTHENTICATED


class SlowJournal(MemoryJournal):
    """Loads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def load(self, key: RoomKey) -> Loaded:
        self.asked.set()
        await self.go_on.wait()
        return await super().load(key)


@on_uvloop
async def test_a_revocation_between_admission_and_entering_is_not_lost() -> None:
    journal = SlowJournal()
    async with live(journal=journal) as server:
        ana, ben = await server.enter("ana", dojo=True), await server.enter("ben", dojo=True)
        await journal.asked.wait()
        server.door.revoked.add(user_of("ana"))
        await server.hub.expel({tenant_of("acme")}, server.door.review)
        journal.go_on.set()
        assert await ana.until_closed() == (CloseCode.UNAUTHENTICATED, "revoked")
        assert ana.told == [], "it learns nothing of the room"
        await ben.until(lambda: ben.told_of("joined"))


@on_uvloop
async def test_an_ended_token_closes_within_seconds_though_heartbeats_are_rare() -> None:
    async with live() as server:
        ends = time.time() + 0.3
        ana, ben = await server.member("ana", expires=ends), await server.member("ben")
        assert await ana.until_closed() == (CloseCode.UNAUTHENTICATED, "token expired")
        assert time.time() - ends < EXPIRED_SECONDS
        assert ben.closed is None
