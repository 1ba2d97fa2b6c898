"""What is told as saved, against a model that remembers everything."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collab_core.saved import SavedLedger


@dataclass
class Model:
    """Where each number is in the feed; `None` while it waits."""

    positions: dict[int, int | None] = field(default_factory=dict)

    @property
    def waiting(self) -> list[int]:
        return [number for number, position in self.positions.items() if position is None]

    def up_to(self, committed: int) -> int:
        told = 0
        for number, position in self.positions.items():
            if position is None or position > committed:
                break
            told = number
        return told


class Ledger(RuleBasedStateMachine):
    """A feed that grows and commits, and a member that sends."""

    @initialize()
    def start(self) -> None:
        self.ledger = SavedLedger()
        self.model = Model()
        self.appended = 0
        self.committed = 0
        self.told = 0

    @rule(entries=st.integers(0, 2))
    def place(self, entries: int) -> None:
        """An update came and was taken (or brought nothing new: 0 entries)."""
        self.appended += entries
        number = self.ledger.receive()
        self.ledger.place(number, self.appended)
        self.model.positions[number] = self.appended

    @rule()
    def wait(self) -> None:
        number = self.ledger.receive()
        self.ledger.wait(number)
        self.model.positions[number] = None

    @rule(entries=st.integers(1, 3))
    def others_write(self, entries: int) -> None:
        self.appended += entries

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data(), entries=st.integers(0, 2))
    def settle(self, data: st.DataObject, entries: int) -> None:
        self.appended += entries
        number = data.draw(st.sampled_from(self.model.waiting))
        self.ledger.settle(number, self.appended)
        self.model.positions[number] = self.appended

    @rule()
    def settle_all(self) -> None:
        self.ledger.settle_all(self.appended)
        for number in self.model.waiting:
            self.model.positions[number] = self.appended

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        self.committed = data.draw(st.integers(self.committed, self.appended))

    @invariant()
    def what_is_told_is_exactly_what_is_committed(self) -> None:
        expected = self.model.up_to(self.committed)
        told = self.ledger.committed(self.committed)
        assert told == (expected if expected > self.told else None)
        self.told = max(self.told, expected)
        assert self.ledger.up_to == self.told
        assert self.ledger.received == len(self.model.positions)
        assert self.ledger.settled == (self.told == len(self.model.positions))

    @invariant()
    def what_is_kept_has_a_bound(self) -> None:
        positions = {position for position in self.model.positions.values() if position is not None}
        assert len(self.ledger._pending) <= len(positions) + len(self.model.waiting)


TestLedger = Ledger.TestCase
TestLedger.settings = settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=30)


@pytest.fixture
def ledger() -> SavedLedger:
    return SavedLedger()


def test_numbers_count_from_one(ledger: SavedLedger) -> None:
    assert ledger.settled
    assert [ledger.receive(), ledger.receive()] == [1, 2]
    assert not ledger.settled


def test_a_commit_answers_all_it_holds_once(ledger: SavedLedger) -> None:
    for position in (1, 2, 3):
        ledger.place(ledger.receive(), position)
    assert ledger.committed(0) is None
    assert ledger.committed(2) == 2
    assert ledger.committed(2) is None
    assert ledger.committed(9) == 3
    assert ledger.settled


def test_what_waits_holds_up_what_came_later_but_not_what_came_before(ledger: SavedLedger) -> None:
    ledger.place(ledger.receive(), 5)
    ledger.wait(ledger.receive())
    ledger.place(ledger.receive(), 5)
    assert ledger.committed(5) == 1
    ledger.settle(2, 6)
    assert ledger.committed(5) is None
    assert ledger.committed(6) == 3


def test_settling_one_of_two_lets_out_what_lies_between(ledger: SavedLedger) -> None:
    ledger.wait(ledger.receive())
    ledger.place(ledger.receive(), 1)
    ledger.wait(ledger.receive())
    ledger.place(ledger.receive(), 1)
    ledger.settle(1, 2)
    assert ledger.committed(2) == 2
    ledger.settle(3, 3)
    assert ledger.committed(3) == 4


def test_a_complete_step_2_settles_all_that_waited(ledger: SavedLedger) -> None:
    for _ in range(3):
        ledger.wait(ledger.receive())
    ledger.settle_all(7)
    assert ledger.committed(6) is None
    assert ledger.committed(7) == 3
    assert ledger.settled
