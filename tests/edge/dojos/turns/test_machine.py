"""Whatever happens in whatever order, what always holds does; and two nodes that compare and set end up alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.dojos.turns.commands import (
    SYSTEM,
    Allow,
    Applied,
    Break,
    Command,
    Confirm,
    Dropped,
    Expire,
    Extend,
    Flushed,
    Gone,
    Hand,
    HandOver,
    Joined,
    Opened,
    Pause,
    Resume,
    SetFormat,
    SetRoles,
    Skip,
    Start,
    Stop,
    Take,
    TurnEnded,
    TurnStarted,
    Who,
)
from edge.dojos.turns.rights import may_write
from edge.dojos.turns.state import Format, Mode, Rotation, TurnState, decode, encode
from edge.dojos.turns.store import Order, RoomTurns, carried_out
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, DORA, HOST, NOW, Table, check

PEOPLE = (ANA, BIA, CAIO, DORA)
NODES = ("n1", "n2")
people = st.sampled_from(PEOPLE)
nodes = st.sampled_from(NODES)
maybe = st.one_of(st.none(), people)

commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Joined, people, nodes, st.booleans()),
    st.builds(Dropped, people, nodes),
    st.builds(Gone, people),
    st.builds(Opened, nodes),
    st.builds(Start, st.sampled_from([None, 0, 10, 60])),
    st.just(Stop()),
    st.just(Pause()),
    st.just(Resume()),
    st.builds(Extend, st.integers(0, 100)),
    st.builds(Break, st.integers(0, 100)),
    st.just(Skip()),
    st.builds(HandOver, people),
    st.builds(Take, st.booleans()),
    st.builds(Allow, people, st.booleans()),
    st.builds(Hand, st.booleans(), maybe),
    st.builds(SetRoles, maybe, maybe, maybe),
    st.builds(SetRoles, pilot=maybe),
    st.builds(
        SetFormat,
        st.sampled_from(Format),
        st.sampled_from(Rotation),
        st.sampled_from([None, 0, 10, 60]),
        st.one_of(st.none(), st.permutations(PEOPLE).map(lambda order: tuple(order[:2]))),
    ),
    st.builds(Confirm, people, st.integers(1, 6)),
    st.builds(Flushed, nodes, st.integers(1, 6)),
    st.just(Expire()),
)
askers = st.one_of(st.just(HOST), st.just(SYSTEM), people.map(Who))


class Session(RuleBasedStateMachine):
    """A room in which anybody does anything."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()

    @rule(user=people, node=nodes)
    def comes(self, user: UUID, node: str) -> None:
        self.table.join(user, node)

    @rule(command=commands, who=askers, later=st.sampled_from([0, 0, 0.5, 1, 5, 30, 90]))
    def happens(self, command: Command, who: Who, later: float) -> None:
        self.table.later(later)
        before = self.table.state
        answer = self.table.do(command, who)
        if isinstance(answer, Applied) and answer.state is before:
            assert not answer.events

    @rule()
    def flushes(self) -> None:
        handover = self.table.state.handover
        if handover is not None:
            self.table.done(Flushed(handover.waiting[0], self.table.state.turn_number), SYSTEM)

    @rule()
    def time_comes(self) -> None:
        due = self.table.state.due_at
        if due is not None:
            self.table.now = max(self.table.now, due)
            before = self.table.state
            assert self.table.done(Expire(), SYSTEM) is not before, "what was due was not done"

    @invariant()
    def holds(self) -> None:
        check(self.table.state, self.table.now)

    @invariant()
    def one_writes(self) -> None:
        state = self.table.state
        writing = [user for user in PEOPLE if may_write(state, user, able=True, now=self.table.now)]
        if state.mode is Mode.TURN:
            assert len([user for user in writing if user not in state.writers]) <= 1

    @invariant()
    def is_stored_as_it_is(self) -> None:
        state = self.table.state
        assert decode(encode(state), state.sensei) == state

    @invariant()
    def turns_follow_each_other(self) -> None:
        under_way: TurnStarted | None = None
        for event in self.table.events:
            if isinstance(event, TurnStarted):
                assert under_way is None
                under_way = event
            elif isinstance(event, TurnEnded):
                assert under_way is not None
                assert (event.turn_number, event.pilot) == (under_way.turn_number, under_way.pilot)
                assert event.ended_at >= event.started_at
                under_way = None


Session.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSession = Session.TestCase


@given(
    st.lists(st.tuples(commands, askers), min_size=2, max_size=14),
    st.lists(st.booleans(), max_size=60),
    st.sampled_from([0.0, 0.3, 20.0]),
)
@settings(max_examples=200, deadline=None)
def test_two_nodes_that_compare_and_set_do_one_thing_after_the_other(
    orders: list[tuple[Command, Who]], interleaving: list[bool], pace: float
) -> None:
    """Each node loads, applies and tries to save, in any interleaving; what they get is what one would have got that
    carried out the same orders in the sequence of the saves."""
    row = RoomTurns(UUID(int=1), UUID(int=2), UUID(int=3), True, 1, started(), NOW)
    queues = [[Order(*order) for order in orders[0::2]], [Order(*order) for order in orders[1::2]]]
    loaded: list[RoomTurns | None] = [None, None]
    saves: list[tuple[Order, RoomTurns]] = []
    ticks = 0
    turn = iter(interleaving + [True, False] * 200)
    while any(queues):
        node = int(next(turn))
        if not queues[node]:
            node = 1 - node
        held = loaded[node]
        if held is None:
            ticks += 1
            loaded[node] = replace(row, read_at=NOW + timedelta(seconds=pace * ticks))
            continue
        loaded[node] = None
        order = queues[node][0]
        state, _ = carried_out(held, [order], held.state.turn_number)
        if state is held.state:
            queues[node].pop(0)
        elif held.version == row.version:
            queues[node].pop(0)
            saves.append((order, held))
            row = replace(row, version=row.version + 1, state=decode(encode(state), state.sensei))
            check(state, held.read_at)
    alone, version = started(), 1
    for order, held in saves:
        assert held.version == version
        alone, _ = carried_out(replace(held, state=alone), [order], alone.turn_number)
        version += 1
    assert (version, alone) == (row.version, row.state)


def started() -> TurnState:
    table = Table(ANA, BIA, CAIO)
    table.done(Start(60))
    return table.state


def test_of_two_nodes_that_claim_at_once_one_gets_it() -> None:
    row: RoomTurns = RoomTurns(UUID(int=1), UUID(int=2), UUID(int=3), True, 1, Table(ANA, BIA).state, NOW)
    claims: list[Callable[[RoomTurns], TurnState]] = [
        lambda seen, user=user: carried_out(seen, [Order(Take(), Who(user))], 0)[0]  # type: ignore[misc]
        for user in (ANA, BIA)
    ]
    first, second = (claim(row) for claim in claims)
    assert (first.pilot, second.pilot) == (ANA, BIA)
    row = replace(row, version=2, state=first)
    assert claims[1](row) is first, "who comes second, with an older version, tries on the newer one and is refused"
