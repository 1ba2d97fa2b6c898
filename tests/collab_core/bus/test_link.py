"""A room on several nodes, on a virtual clock: the way of an edit from one to the other, and what stands behind it when
a message, a commit or a node is lost."""

from __future__ import annotations

import asyncio
import random as dice
from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID

import pytest

from collab_core.bus.alone import Alone
from collab_core.bus.own_rows import MESSAGE_BYTES
from collab_core.hub import Hub
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryStore
from collab_core.journal.port import Row
from collab_core.limits import Limits
from collab_core.room import Room
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from collab_core.wire.awareness import PresenceEntry, encode
from tests.nodes.fickle import Air
from tests.nodes.person import Person
from tests.nodes.story import Node, stored
from tests.nodes.virtual_time import clock, run

KEY = RoomKey(UUID(int=7), "kata")
TUNING = Tuning()


class House:
    """Nodes over one store and one bus, and people at them."""

    def __init__(self) -> None:
        self.random = Random(1)
        dice.seed(1)  # the rooms' own, too: the same test is the same story
        self.store = MemoryStore()
        self.air = Air(self.random)
        self.air.delay = 0.001
        self.nodes: list[Node] = []
        self.saved: list[bytes] = []

    def node(self) -> Node:
        self.nodes.append(Node(self.store, self.air, self.random))
        return self.nodes[-1]

    async def person(self, node: Node) -> Person:
        person = Person(len(self.nodes), self.random, KEY, self.saved.append)
        await person.connect(node)
        await asyncio.sleep(0.2)
        return person

    async def pair(self) -> tuple[Person, Person]:
        """Two people at two nodes."""
        return await self.person(self.node()), await self.person(self.node())

    def stored(self) -> str:
        """What the journal's bytes say."""
        return stored(self.store, KEY).content()

    async def end(self) -> None:
        for node in self.nodes:
            if not node.dead:
                await node.kill()


def house_test(test: Callable[[House], Awaitable[None]]) -> Callable[[], None]:
    """Run a test in a house of its own, in no time."""

    def told() -> None:
        async def whole() -> None:
            house = House()
            try:
                await test(house)
            finally:
                await house.end()

        run(whole())

    told.__name__ = test.__name__
    told.__doc__ = test.__doc__
    return told


def room_of(node: Node) -> Room:
    return node.hub.rooms[KEY]


async def within(seconds: float, condition: Callable[[], object]) -> float:
    """Wait on the virtual clock; how long it took."""
    began = clock()
    while not condition():
        assert clock() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.001)
    return clock() - began


@house_test
async def test_an_edit_is_at_the_other_node_at_once_and_saved(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "hello")
    await within(0.2, lambda: bob.author.content() == "hello")
    await within(0.2, lambda: len(house.saved) == 1 + 2)  # both SyncStep2s count as well
    assert house.stored() == "hello"
    assert room_of(house.nodes[1]).owners.user_of(ann.author.doc.client_id, 0) == ann.user


@house_test
async def test_who_types_before_others_answered_is_heard_by_them_all_the_same(house: House) -> None:
    ann = await house.person(house.node())
    second = house.node()
    house.air.loss = 1.0
    bob = await house.person(second)
    house.air.loss = 0.0
    assert not room_of(second).link.shared, "nobody has answered yet"
    bob.author.insert(0, "early")
    await within(0.2, lambda: ann.author.content() == "early")
    assert house.nodes[0].metrics.bus_heals == 0, "as bob's edit, not as something that was missing"


@house_test
async def test_a_lost_last_message_is_noticed_by_the_next_digest(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "first")
    await within(0.2, lambda: bob.author.content() == "first")
    house.air.loss = 1.0
    ann.author.insert(5, " last")
    await asyncio.sleep(0.05)
    house.air.loss = 0.0
    assert bob.author.content() == "first"
    await within(2 * TUNING.digest_seconds, lambda: bob.author.content() == "first last")
    assert house.nodes[1].metrics.bus_gaps >= 1


@house_test
async def test_a_lost_deletion_is_noticed_though_no_state_vector_shows_it(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "abc")
    await within(0.2, lambda: bob.author.content() == "abc")
    house.air.loss = 1.0
    ann.author.delete(1, 1)
    await asyncio.sleep(0.05)
    house.air.loss = 0.0
    await within(3 * TUNING.digest_seconds, lambda: bob.author.content() == "ac")


@house_test
async def test_what_an_edit_builds_on_is_committed_with_it(house: House) -> None:
    """Ann's node cannot commit; Bob types behind what she typed, and is told that it is saved."""
    ann, bob = await house.pair()
    house.nodes[0].journal.away = True
    ann.author.insert(0, "uncommitted")
    await within(0.2, lambda: bob.author.content() == "uncommitted")
    before = bob.acknowledged
    bob.author.insert(len("uncommitted"), "!")
    await within(1.0, lambda: bob.acknowledged > before)
    assert house.stored() == "uncommitted!"
    house.nodes[0].journal.away = False
    await within(5.0, lambda: not house.nodes[0].writer.backlog_bytes)
    names = [(row.epoch, row.sequence) for row in house.store.rows.values()]
    assert len(names) == len(set(names)) == 2, "the row is there once, whoever committed it"


@house_test
async def test_what_builds_on_nothing_waits_for_nobody(house: House) -> None:
    ann, bob = await house.pair()
    house.nodes[0].journal.away = True
    ann.author.insert(0, "uncommitted")
    await within(0.2, lambda: bob.author.content() == "uncommitted")
    bob.author.map["k1"] = "elsewhere"
    await within(1.0, lambda: len(house.store.rows) == 1)
    assert house.stored() == ""


@house_test
async def test_edits_of_a_node_that_died_are_committed_by_who_has_them(house: House) -> None:
    ann, bob = await house.pair()
    house.nodes[0].journal.away = True
    ann.author.insert(0, "orphan")
    await within(0.2, lambda: bob.author.content() == "orphan")
    ann.drop()
    await house.nodes[0].kill()
    assert house.stored() == ""
    await within(TUNING.silent_node_seconds + TUNING.digest_seconds * 2, lambda: house.stored() == "orphan")
    assert house.nodes[1].metrics.bus_rows_adopted == 1


@house_test
async def test_a_node_that_opens_the_room_gets_what_is_not_committed(house: House) -> None:
    ann = await house.person(house.node())
    house.nodes[0].journal.away = True
    ann.author.insert(0, "not yet committed")
    await asyncio.sleep(0.1)
    bob = await house.person(house.node())
    assert bob.author.content() == "not yet committed"


@house_test
async def test_without_a_bus_the_journal_carries(house: House) -> None:
    ann, bob = await house.pair()
    for node in house.nodes:
        node.bus.part(known=True)
    ann.author.insert(0, "slowly")
    await within(3 * TUNING.digest_seconds, lambda: bob.author.content() == "slowly")
    bob.author.insert(6, " back")
    await within(3 * TUNING.digest_seconds, lambda: ann.author.content() == "slowly back")


@house_test
async def test_a_bus_that_carries_nothing_and_seems_to_is_noticed(house: House) -> None:
    ann, bob = await house.pair()
    for node in house.nodes:
        node.bus.part(known=False)
    ann.author.insert(0, "unheard")

    def typing() -> bool:
        bob.author.insert(0, "x")  # a room that somebody types in is compared with the journal
        return "unheard" in bob.author.content()

    began = clock()
    while not typing():
        assert clock() - began < 2 * TUNING.audit_seconds
        await asyncio.sleep(1.0)


@house_test
async def test_a_row_too_large_for_a_message_comes_from_the_journal(house: House) -> None:
    _, bob = await house.pair()
    large = "x" * (3 * MESSAGE_BYTES)
    room_of(house.nodes[0]).compose(UUID(int=9), "text", [Splice(0, 0, large)])
    await within(5 * TUNING.digest_seconds, lambda: bob.author.content() == large)


@house_test
async def test_presence_is_seen_on_the_other_node_until_its_owner_leaves(house: House) -> None:
    ann, _ = await house.pair()
    there = room_of(house.nodes[1])
    show(ann, 1, b'{"cursor":1}')
    await within(1.0, lambda: there.presence.states().get(ann.author.doc.client_id) == (ann.user, b'{"cursor":1}'))
    show(ann, 2, b'{"cursor":2}')
    await within(1.0, lambda: there.presence.states()[ann.author.doc.client_id][1] == b'{"cursor":2}')
    ann.drop()
    await within(1.0, lambda: ann.author.doc.client_id not in there.presence.states())


@house_test
async def test_presence_ends_with_its_node(house: House) -> None:
    ann, _ = await house.pair()
    there = room_of(house.nodes[1])
    show(ann, 1, b"{}")
    await within(1.0, lambda: ann.author.doc.client_id in there.presence.states())
    await house.nodes[0].kill()
    house.nodes[1].hub.node_gone(house.nodes[0].writer.epoch)
    assert ann.author.doc.client_id not in there.presence.states()


@house_test
async def test_a_tab_that_moved_keeps_its_presence_when_its_old_connection_ends(house: House) -> None:
    ann, _ = await house.pair()
    client = ann.author.doc.client_id
    show(ann, 1, b"{}")
    there = room_of(house.nodes[1])
    await within(1.0, lambda: client in there.presence.states())
    second = Person(9, house.random, KEY, house.saved.append)
    second.user = ann.user
    await second.connect(house.nodes[1])
    await asyncio.sleep(0.1)
    second.show(encode([PresenceEntry(client, 1, b"{}")]))
    await asyncio.sleep(0.2)
    ann.drop()
    await asyncio.sleep(0.2)
    assert second.removed(client), "told of its own removal it raises its clock"
    second.show(encode([PresenceEntry(client, 2, b"{}")]))
    await within(1.0, lambda: client in there.presence.states())
    await within(1.0, lambda: client in room_of(house.nodes[0]).presence.states())


@house_test
async def test_applications_on_two_nodes_hear_each_other(house: House) -> None:
    await house.pair()
    heard: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room_of(house.nodes[1]).application, "node_said", lambda _origin, payload: heard.append(payload))
        room_of(house.nodes[0]).tell_nodes(b"hello")
        await within(0.2, lambda: heard == [b"hello"])


@house_test
async def test_a_message_that_is_none_is_counted_and_harms_nobody(house: House) -> None:
    ann, bob = await house.pair()
    node = house.nodes[1]
    node.bus.deliver(KEY, house.nodes[0].writer.epoch.bytes + b"\xc1 rubbish")
    assert node.metrics.bus_refused == 1
    ann.author.insert(0, "fine")
    await within(0.2, lambda: bob.author.content() == "fine")


@house_test
async def test_a_room_that_sleeps_leaves_in_order(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "x")
    await within(0.2, lambda: bob.author.content() == "x")
    ann.drop()
    await within(2 * TUNING.evict_after_seconds, lambda: KEY not in house.nodes[0].hub.rooms)
    await asyncio.sleep(0.01)
    assert not room_of(house.nodes[1]).link.shared
    assert house.nodes[1].metrics.bus_nodes_lost == 0


def kept_row(node: Node) -> Row:
    """The only one that this node keeps for another, as it was told."""
    (row,) = room_of(node).link._others
    return row


@house_test
async def test_a_committed_row_that_a_third_node_names_again_is_not_kept_for_ever(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "x")
    await within(0.2, lambda: bob.author.content() == "x")
    row = kept_row(house.nodes[1])
    link = room_of(house.nodes[1]).link
    await within(3 * TUNING.digest_seconds, lambda: link.settled)
    link._others.take(row)
    assert not link.settled
    await within(3 * TUNING.digest_seconds, lambda: link.settled)


@house_test
async def test_a_row_of_a_node_that_has_left_is_committed_by_who_has_it(house: House) -> None:
    ann, bob = await house.pair()
    ann.author.insert(0, "x")
    await within(0.2, lambda: bob.author.content() == "x")
    row = kept_row(house.nodes[1])
    ann.drop()
    link = room_of(house.nodes[1]).link
    await within(3 * TUNING.evict_after_seconds, lambda: not link.shared)
    link._others.take(row)  # it waited for another, and joins late
    assert not link.settled
    await within(TUNING.silent_node_seconds + 3 * TUNING.idle_digest_seconds, lambda: link.settled)


def show(person: Person, count: int, state: bytes) -> None:
    """The person shows presence, by the connection it has."""
    person.show(encode([PresenceEntry(person.author.doc.client_id, count, state)]))


@house_test
async def test_a_node_on_its_own_keeps_no_rows_for_others(house: House) -> None:
    node = house.node()
    alone = Hub(
        node.journal, node.writer, limits=Limits(), tuning=TUNING, metrics=node.metrics, bus=Alone(), clock=clock
    )
    node.hub = alone
    ann = await house.person(node)
    for _ in range(50):
        ann.author.insert(0, "x")
        await asyncio.sleep(0.05)
    await within(1.0, lambda: len(house.saved) == 51)
    own = room_of(node).link._own
    assert len(own) == 0
    assert len(own._untold) <= 1
