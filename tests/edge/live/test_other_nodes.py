"""Who is where, as two nodes tell each other; with real rooms and the in-process bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from collab_core.bus.local import LocalExchange
from collab_core.bus.messages import Origin
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.member import Member
from collab_core.presence import SERVER
from collab_core.room import Room
from collab_core.tuning import Tuning
from collab_core.wire import awareness
from collab_core.wire.messages import awareness_frame
from edge.live import company
from edge.live.attendance import Attendance
from edge.live.company import NotCompany, Someone
from edge.live.incoming import CursorPosition
from edge.live.json.positions import Position
from edge.live.other_nodes import OtherNodes
from edge.live.place import Place, Standing
from tests.collab_core.live import CALM, user_of
from tests.edge.live.json.scene import DEADLINE_SECONDS, Person, Scene, scene
from tests.edge.live.test_cursors import CursorApplication

QUICK: Tuning = msgspec.structs.replace(CALM, digest_seconds=0.1, idle_digest_seconds=0.1)
ANA, BEN = user_of("ana"), user_of("ben")


class PeopleApplication(CursorApplication):
    """Code, cursors, and who is there."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.lists: list[dict[UUID, bool]] = []
        self.attendance = Attendance()
        loop = asyncio.get_running_loop()
        self.others = OtherNodes(
            room, self.attendance, changed=self._changed, came=self.cursors.node_came, monotonic=loop.time
        )

    def _changed(self) -> None:
        self.lists.append({user: person.connected for user, person in self.attendance.people.items()})

    def joined(self, member: Member) -> None:
        super().joined(member)
        admission = member.admission
        place = Place(UUID(int=8), UUID(int=9), Standing.PARTICIPANT, watches=False, guest=False, may_edit=True)
        loop = asyncio.get_running_loop()
        self.attendance.arrive(member.number, admission.user, admission.name, place, loop.time())
        self.others.tell()

    def left(self, member: Member) -> None:
        super().left(member)
        self.attendance.drop(member.number, member.admission.user, asyncio.get_running_loop().time())
        self.others.tell()

    def node_said(self, origin: Origin, payload: bytes) -> None:
        self.others.said(origin, payload)

    def node_left(self, origin: Origin) -> None:
        self.others.left(origin)

    def close(self) -> None:
        super().close()
        self.code.close()
        self.others.close()


class Two:
    """Two nodes."""

    def __init__(self, exchange: LocalExchange, first: Scene, second: Scene) -> None:
        self.exchange = exchange
        self.first = first
        self.second = second

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - inner state of two nodes
                await asyncio.sleep(0.005)


def of(node: Scene) -> PeopleApplication:
    application = node.room.application
    assert isinstance(application, PeopleApplication)
    return application


def connected(node: Scene) -> dict[UUID, bool]:
    return {user: person.connected for user, person in of(node).attendance.people.items()}


@asynccontextmanager
async def two() -> AsyncIterator[Two]:
    exchange, store = LocalExchange(), MemoryStore()
    first = scene(MemoryJournal(store), PeopleApplication, exchange=exchange, tuning=QUICK)
    second = scene(MemoryJournal(store), PeopleApplication, exchange=exchange, tuning=QUICK)
    async with first as one, second as other:
        yield Two(exchange, one, other)


@asynccontextmanager
async def ana_and_ben() -> AsyncIterator[tuple[Two, Person, Person]]:
    """Each on a node of their own, and known to the other."""
    async with two() as here:
        ana, ben = await here.first.person("ana"), await here.second.person("ben")
        everyone = {ANA: True, BEN: True}
        await here.until(lambda: connected(here.first) == connected(here.second) == everyone)
        yield here, ana, ben


async def test_everybody_is_known_everywhere() -> None:
    async with ana_and_ben() as (here, ana, _):
        person = of(here.second).attendance.people[ANA]
        assert (person.name, person.standing, person.here) == ("ana", Standing.PARTICIPANT, False)
        ana.leave()
        await here.until(lambda: connected(here.second) == {ANA: False, BEN: True})


async def test_who_moves_is_never_seen_to_go() -> None:
    async with ana_and_ben() as (here, ana, _):
        again = await here.second.person("ana")
        await here.until(lambda: of(here.first).attendance.people[ANA].elsewhere)
        said = len(of(here.first).lists) + len(of(here.second).lists)
        ana.leave()
        await here.until(lambda: not of(here.second).attendance.people[ANA].elsewhere)
        assert connected(here.first) == connected(here.second) == {ANA: True, BEN: True}
        assert len(of(here.first).lists) + len(of(here.second).lists) == said, "nothing to tell anybody"
        assert of(here.first).attendance.next_leave is None, "the old node's grace ends nothing"
        again.leave()
        await here.until(lambda: connected(here.first) == {ANA: False, BEN: True})


async def test_people_of_a_node_that_died_count_as_lost() -> None:
    async with ana_and_ben() as (here, _, _ben):
        here.exchange.leave(here.first.epoch)
        await here.until(lambda: connected(here.second) == {ANA: False, BEN: True})
        assert of(here.second).attendance.next_leave is not None


async def test_a_silent_node_is_lost_and_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(company, "TELL_SECONDS", 0.01)
    monkeypatch.setattr(company, "SILENT_SECONDS", 0.4)
    async with ana_and_ben() as (here, _, _ben):
        of(here.first).others.close()
        await here.until(lambda: connected(here.second) == {ANA: False, BEN: True})
        of(here.first).others.tell()
        await here.until(lambda: connected(here.second) == {ANA: True, BEN: True})


async def test_what_an_earlier_life_of_a_node_said_is_forgotten() -> None:
    async with ana_and_ben() as (here, _, _ben):
        application = of(here.second)
        epoch = here.first.epoch
        before = next(node for node in application.attendance.nodes if node.epoch == epoch)
        later = Origin(epoch, before.life + 1)
        nobody = company.encode([], asks=False)
        somebody = company.encode([Someone(ANA.bytes, "ana", Standing.HOST, guest=False, idle=1.0)], asks=False)
        application.node_said(later, nobody)
        assert connected(here.second) == {ANA: False, BEN: True}
        application.node_said(before, somebody)
        assert application.attendance.nodes == [later]
        application.node_said(later, somebody)
        application.node_left(before)
        assert connected(here.second) == {ANA: True, BEN: True}
        assert application.attendance.people[ANA].standing is Standing.HOST


@pytest.mark.parametrize("payload", [b"", b"\xff", msgspec.msgpack.encode([2, False, []]), b"{}"])
async def test_words_of_another_version_are_ignored(payload: bytes) -> None:
    with pytest.raises(NotCompany):
        company.decode(payload)
    async with ana_and_ben() as (here, _, _ben):
        of(here.second).node_said(Origin(UUID(int=77), 1), payload)
        assert connected(here.second) == {ANA: True, BEN: True}


def test_what_is_said_is_understood() -> None:
    ana = Someone(ANA.bytes, "Ana", Standing.OBSERVER, guest=True, idle=0.5)
    told = company.decode(company.encode([ana], asks=True))
    assert told.asks
    assert told.people == [ana]
    assert told.people[0].id == ANA


# Cursors


def cursors_of(node: Scene, user: UUID) -> list[dict[str, Any]]:
    return [cursor for cursor in of(node).told_cursors if cursor["userId"] == str(user)]


async def written(here: Two, person: Person, text: str) -> None:
    person.type(text)

    def there() -> bool:
        person.receive()
        return person.thin.idle and here.first.text == here.second.text == text

    await here.until(there)


async def test_a_cursor_without_a_document_is_seen_on_another_node_without_one() -> None:
    async with ana_and_ben() as (here, ana, _):
        await written(here, ana, "one\ntwo\n")
        of(here.first).cursors.move(ana.member, CursorPosition(Position(1, 2), None, "main.py"))
        await here.until(lambda: cursors_of(here.second, ANA))
        assert cursors_of(here.second, ANA)[-1]["position"] == {"line": 1, "column": 2}
        assert of(here.second).cursors.places[ANA].position == Position(1, 2)


async def test_a_newcomer_node_is_shown_where_cursors_are() -> None:
    async with two() as here:
        ana = await here.first.person("ana")
        ana.type("one\ntwo\n")
        await here.first.flushed()
        of(here.first).cursors.move(ana.member, CursorPosition(Position(1, 1), None, "main.py"))
        await here.second.person("ben")
        await here.until(lambda: cursors_of(here.second, ANA))
        assert cursors_of(here.second, ANA)[-1]["position"] == {"line": 1, "column": 1}


async def test_nobody_can_show_another_persons_cursor() -> None:
    """Only what a node shows itself names the person in the state; of all others the owner is known."""
    async with ana_and_ben() as (here, ana, _):
        await written(here, ana, "one\ntwo\n")
        of(here.first).cursors.move(ana.member, CursorPosition(Position(1, 2), None, "main.py"))
        await here.until(lambda: cursors_of(here.second, ANA))
        before = len(cursors_of(here.second, ANA))
        [(client, state)] = here.second.room.presence.shown_elsewhere().items()
        forged = state.replace(b"two", b"one")
        mallory = await here.second.author("mallory")
        for number, taken in ((client, awareness.REMOVED), (client, forged), (77, state)):
            payload = awareness.encode([awareness.PresenceEntry(number, 1_000, taken)])
            mallory.room.receive(mallory.member, awareness_frame(payload))
        await here.until(lambda: cursors_of(here.second, user_of("mallory")))
        assert here.second.room.presence.states()[client] == (SERVER, state)
        assert here.second.room.presence.states()[77][0] == user_of("mallory")
        assert len(cursors_of(here.second, ANA)) == before
