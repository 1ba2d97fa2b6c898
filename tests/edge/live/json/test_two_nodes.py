"""A JSON client that comes back to another node: its edits are made once, and nothing it typed is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from collab_core.bus.local import LocalExchange, soon
from collab_core.journal import envelope
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.opening import fold, open_log
from collab_core.splice import Splice, spliced
from tests.collab_core.live import CALM
from tests.edge.live.json.scene import DEADLINE_SECONDS, KEY, LONG, Person, Scene, scene

QUICK = msgspec.structs.replace(CALM, digest_seconds=0.1, idle_digest_seconds=0.1)
"""What was lost between two nodes is found out soon."""


class Pair:
    """Two nodes with one store between them."""

    def __init__(self, exchange: LocalExchange, store: MemoryStore, journals: list[MemoryJournal]) -> None:
        self.exchange = exchange
        self.store = store
        self.journals = journals
        self.nodes: list[Scene] = []

    async def opened(self) -> tuple[Person, Person]:
        """Eve keeps the room open on the second node; Ana comes to the first, and both have the same text."""
        first, second = self.nodes
        eve = await second.person("eve")
        ana = await first.person("ana")
        ana.type(LONG)
        await acknowledged(self, ana)
        await self.agree()
        eve.receive()
        assert ana.thin.text == eve.thin.text == LONG
        return ana, eve

    async def agree(self) -> None:
        """Until both have the same text, and have told it."""
        await self.until(lambda: self.nodes[0].text == self.nodes[1].text)
        for node in self.nodes:
            await node.flushed()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - inner state of two nodes
                await asyncio.sleep(0.002)

    def stored(self) -> str:
        """The text that the store comes to."""
        updates = [update for row in self.store.rows.values() for update in envelope.decode_updates(row.entries)]
        _, document = open_log(self.store.bases.get(KEY, b""), updates)
        assert document is not None
        return document.text("file/main.py")

    async def come_back(self, person: Person, node: Scene) -> Person:
        """Its connection is lost, with all that was under way to it; it comes to `node` and sends its edit again."""
        person.leave()
        back = await node.person(person.name, person.thin)
        if back.thin.flight is not None:
            back.tell(back.thin.flight)
        return back


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    exchange, store = LocalExchange(), MemoryStore()
    made = Pair(exchange, store, [MemoryJournal(store), MemoryJournal(store)])
    first = scene(made.journals[0], exchange=exchange, tuning=QUICK)
    async with first as one, scene(made.journals[1], exchange=exchange, tuning=QUICK) as two:
        made.nodes = [one, two]
        yield made


async def acknowledged(here: Pair, person: Person) -> None:
    def idle() -> bool:
        person.receive()
        return person.thin.flight is None

    await here.until(idle)


async def saved(here: Pair, person: Person) -> None:
    def told() -> bool:
        person.receive()
        return person.thin.saved == person.thin.seq

    await here.until(told)


@pytest.mark.parametrize("as_edits", [False, True])
async def test_an_edit_sent_again_to_another_node_is_made_once(as_edits: bool) -> None:
    async with pair() as here:
        ana, _ = await here.opened()
        ana.type("ana's\n" + LONG, as_edits=as_edits)
        await here.agree()
        ana = await here.come_back(ana, here.nodes[1])
        await acknowledged(here, ana)
        await saved(here, ana)
        assert ana.thin.errors == []
        assert ana.thin.text == here.nodes[0].text == here.nodes[1].text == "ana's\n" + LONG
        ana.type("more of " + ana.thin.text)
        await acknowledged(here, ana)
        await here.agree()
        assert here.nodes[0].text == "more of ana's\n" + LONG


async def test_it_is_saved_when_it_is_committed_and_not_before() -> None:
    """The first node took it and never committed it: the second one commits its row, and says so then."""
    async with pair() as here:
        ana, _ = await here.opened()
        await asyncio.gather(*(node.committed() for node in here.nodes))
        for journal in here.journals:
            journal.hold()
        ana.type("ana's\n" + LONG)
        await here.agree()
        ana = await here.come_back(ana, here.nodes[1])
        await acknowledged(here, ana)
        ana.tell(ana.thin.flight or {"type": "CODE_UPDATE", "file": "main.py"})
        assert ana.thin.saved < ana.thin.seq, "nobody has committed it"
        here.journals[1].release()
        await saved(here, ana)
        assert here.stored() == "ana's\n" + LONG
        assert any(row.epoch == here.nodes[0].epoch and b"ana's" in row.entries for row in here.store.rows.values())
        here.journals[0].release()


async def test_a_node_that_opens_the_room_knows_it_from_the_journal() -> None:
    async with pair() as here:
        ana = await here.nodes[0].person("ana")
        ana.type("ana's\n")
        await here.nodes[0].flushed()
        await here.nodes[0].committed()
        here.exchange.leave(here.nodes[0].epoch)  # it is dead, and nobody else had the room
        ana = await here.come_back(ana, here.nodes[1])
        await acknowledged(here, ana)
        await saved(here, ana)
        assert here.nodes[1].text == "ana's\n"
        assert ana.thin.errors == []


async def test_a_node_that_opens_the_room_is_told_what_the_journal_has_forgotten() -> None:
    async with pair() as here:
        ana = await here.nodes[0].person("ana")
        for text in ("ana's\n", "ana's own\n"):
            ana.type(text)
            await here.nodes[0].flushed()
            if text == "ana's\n":
                await acknowledged(here, ana)
        await here.nodes[0].committed()
        assert await here.journals[0].compact(KEY, fold)
        eve = await here.nodes[1].person("eve")
        await here.until(lambda: here.nodes[1].room.marks.newest() == here.nodes[0].room.marks.newest())
        eve.type("eve's\n" + eve.thin.text)
        await acknowledged(here, eve)
        await here.agree()
        ana = await here.come_back(ana, here.nodes[1])
        await acknowledged(here, ana)
        assert here.nodes[1].text == "eve's\nana's own\n"
        assert ana.thin.errors == []


@pytest.mark.parametrize("as_edits", [False, True])
async def test_what_nobody_remembers_is_not_made_again_if_the_text_says_it(as_edits: bool) -> None:
    """The only one in the room comes back after it was put to sleep: folded, and open nowhere."""
    async with pair() as here:
        ana = await here.nodes[0].person("ana")
        ana.type("ana's\n")
        await here.nodes[0].flushed()
        await acknowledged(here, ana)
        ana.type("ana's own\n", as_edits=as_edits)
        ana.thin.text += "typed since\n"
        await here.nodes[0].flushed()
        await here.nodes[0].committed()
        assert await here.journals[0].compact(KEY, fold)
        here.exchange.leave(here.nodes[0].epoch)
        ana.leave()
        ana = await here.nodes[1].person("ana", ana.thin)
        assert not here.nodes[1].room.marks.newest()
        assert ana.thin.flight is not None
        ana.tell(ana.thin.flight)
        await acknowledged(here, ana)
        assert here.nodes[1].text == ana.thin.shadow == "ana's own\n"
        assert ana.thin.text == "ana's own\ntyped since\n"
        assert [error["code"] for error in ana.thin.errors] == (["stale_version"] if as_edits else [])


async def test_a_version_that_only_the_other_node_has_loses_nothing() -> None:
    """Cut off from each other, both go on; then Ana, who was typing, comes over with what nobody there has seen."""
    async with pair() as here:
        ana, eve = await here.opened()
        here.exchange.deliver = lambda _speaker, _hearer, _delivery: None
        ana.type("seen by one\n" + LONG)
        eve.type(LONG + "seen by the other\n")
        for node in here.nodes:
            await node.flushed()
        ana.receive()
        eve.receive()
        assert ana.thin.idle
        version = ana.thin.version
        ana.thin.text += "typed on the way\n"
        ana = await here.come_back(ana, here.nodes[1])
        assert ana.thin.version != version, "the other node has never seen that one"
        assert ana.thin.text == LONG + "seen by the other\ntyped on the way\n", (
            "its own is carried over to what is there"
        )
        ana.send()
        await acknowledged(here, ana)
        here.exchange.deliver = soon
        await here.agree()
        await here.until(lambda: "seen by one\n" in here.nodes[1].text)
        assert here.nodes[0].text == "seen by one\n" + LONG + "seen by the other\ntyped on the way\n"


async def test_an_edit_in_flight_to_such_a_version_is_refused_and_made_again_by_the_client() -> None:
    async with pair() as here:
        ana, eve = await here.opened()
        here.exchange.deliver = lambda _speaker, _hearer, _delivery: None
        ana.type("seen by one\n" + LONG)
        await here.nodes[0].flushed()
        ana.receive()
        eve.type(LONG + "seen by the other\n")
        await here.nodes[1].flushed()
        ana.thin.text += "never arrived\n"
        assert ana.thin.send() is not None, "it is lost on the way"
        ana = await here.come_back(ana, here.nodes[1])
        await acknowledged(here, ana)
        assert [error["code"] for error in ana.thin.errors] == ["stale_version"]
        ana.send()
        await acknowledged(here, ana)
        here.exchange.deliver = soon
        await here.agree()
        await here.until(lambda: "seen by one\n" in here.nodes[1].text)
        for text in ("seen by one\n", "seen by the other\n", "never arrived\n"):
            assert here.nodes[0].text.count(text) == 1


@pytest.mark.parametrize("seed", range(12))
async def test_people_who_move_between_nodes_lose_and_double_nothing(seed: int) -> None:
    """Every word typed is one character of its own; connections are lost before, between and after edit and answer."""
    chance = random.Random(seed)
    async with pair() as here:
        people = [await here.nodes[number % 2].person(f"user{number}") for number in range(4)]
        words: list[str] = []
        for _ in range(120):
            at = chance.randrange(len(people))
            person = people[at]
            match chance.randrange(6):
                case 0 | 1:
                    words.append(chr(0x4E00 + len(words)))
                    where = chance.randrange(len(person.thin.text) + 1)
                    person.thin.text = spliced(person.thin.text, [Splice(where, where, words[-1])])
                case 2:
                    person.send(as_edits=chance.random() < 0.5)
                case 3:
                    person.receive()
                case 4:
                    people[at] = await here.come_back(person, chance.choice(here.nodes))
                case _:
                    await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01)))

        def done() -> bool:
            for person in people:
                person.receive()
                person.send()
            return all(person.thin.idle for person in people) and len({person.thin.text for person in people}) == 1

        await here.until(done)
        assert sorted(people[0].thin.text) == sorted(words)
        assert here.nodes[0].text == here.nodes[1].text == people[0].thin.text


async def test_a_node_that_was_held_up_hears_the_others_before_it_makes_an_edit() -> None:
    """Ana's edit lay unread at a node that stood still; she sent it again to the other node."""
    async with pair() as here:
        ana, _ = await here.opened()
        delayed: list[Callable[[], None]] = []
        here.exchange.deliver = lambda _speaker, _hearer, delivery: delayed.append(delivery)
        bus = here.nodes[0].bus
        assert bus is not None
        bus.behind = True
        ana.type("ana's\n" + LONG)
        back = await here.nodes[1].person("ana", ana.thin)  # and the old connection is half open
        back.tell(ana.thin.flight or {})
        await acknowledged(here, back)
        assert here.nodes[1].text == "ana's\n" + LONG
        assert here.nodes[0].text == LONG, "it waits for what the others said"
        here.exchange.deliver = soon
        for delivery in delayed:
            delivery()
        bus.behind = False
        await here.agree()
        assert here.nodes[0].text == here.nodes[1].text == "ana's\n" + LONG
