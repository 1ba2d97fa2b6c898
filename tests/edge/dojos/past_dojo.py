"""A dojo that something was written in: its people, its room, and the journal behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry
from collab_core.journal.postgres import PostgresJournal
from tests.edge.dojos.hosting import PATH, Answer, DojoApi, Someone
from tests.edge.dojos.replay.writing import Writer, journalled


def instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class PastDojo:
    """`ana` hosts, `bob` takes part, `eve` is of another company."""

    api: DojoApi
    journal: PostgresJournal
    ana: Someone
    bob: Someone
    eve: Someone
    made: dict[str, Any]

    @property
    def dojo(self) -> str:
        return f"{PATH}/{self.made['dojoId']}"

    @property
    def room_id(self) -> str:
        return str(self.made["rooms"][0]["roomId"])

    @property
    def room(self) -> str:
        return f"{self.dojo}/rooms/{self.room_id}"

    @property
    def key(self) -> RoomKey:
        return RoomKey(self.ana.tenant, self.room_id)

    def writers(self) -> tuple[Writer, Writer]:
        return Writer(self.ana.user, 1), Writer(self.bob.user, 2)

    async def write(self, entries: Sequence[Entry]) -> None:
        await journalled(self.journal, self.key, entries)

    async def get(self, path: str, who: Someone | None = None) -> Answer:
        return await self.api.get(path, who or self.ana)

    async def post(self, path: str, body: object = None, who: Someone | None = None) -> Answer:
        return await self.api.ask("POST", path, body, who=who or self.ana)


async def past_dojo(api: DojoApi, journal: PostgresJournal) -> PastDojo:
    tenant = await api.company()
    ana, bob = await api.person(tenant, "Ana Souza"), await api.person(tenant, "Bob Lima")
    eve = await api.person(await api.company("Globex"), "Eve")
    made = await api.dojo(ana)
    assert (await api.join(bob, made["joinCode"])).status in (200, 201)
    return PastDojo(api, journal, ana, bob, eve, made)
