"""What an edit builds on, of what others have said and nobody may have committed: with real documents."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Array, Doc, Map, Text

from collab_core.bus.uncommitted import Uncommitted
from collab_core.journal.port import Row
from collab_core.wire.update import walk
from tests.collab_core.intake import Intake
from tests.collab_core.journal.watching import row

NORTH, SOUTH = UUID(int=1), UUID(int=2)
"""Two other nodes."""
HISTORIES = 60


class Person:
    """Somebody's document; what they write comes back as an update."""

    def __init__(self, client: int) -> None:
        self.document = Doc[Any](client_id=client)
        self.text = self.document.get("t", type=Text)

    def hear(self, *updates: bytes) -> None:
        for update in updates:
            self.document.apply_update(update)

    def write(self, at: int, text: str) -> bytes:
        return self._said(lambda: self.text.insert(at, text))

    def delete(self, start: int, end: int) -> bytes:
        def cut() -> None:
            del self.text[start:end]

        return self._said(cut)

    def _said(self, change: Any) -> bytes:
        before = self.document.get_state()
        with self.document.transaction():
            change()
        update: bytes = self.document.get_update(before)
        return update


def keep(uncommitted: Uncommitted, update: bytes, sequence: int, epoch: UUID = NORTH) -> Row:
    """A row of one update joins."""
    kept = row(update, sequence, epoch)
    uncommitted.keep(kept, [(section.client, section.start, section.end) for section in walk(update).sections])
    return kept


def test_nothing_kept_nothing_needed() -> None:
    ana = Person(1)
    uncommitted = Uncommitted()
    assert uncommitted.needed_by(walk(ana.write(0, "hello"))) == 0
    assert uncommitted.through(0) == []
    assert (len(uncommitted), uncommitted.size, uncommitted.epochs, uncommitted.all()) == (0, 0, set(), [])


def test_an_edit_beside_what_others_wrote_needs_nothing_of_it() -> None:
    ana, ben = Person(1), Person(2)
    uncommitted = Uncommitted()
    keep(uncommitted, ana.write(0, "hello"), 1)
    assert uncommitted.needed_by(walk(ben.write(0, "elsewhere"))) == 0


def test_what_is_written_next_to_it_needs_it_and_all_before_it_and_nothing_after() -> None:
    ana, ben, eve = Person(1), Person(2), Person(3)
    uncommitted = Uncommitted()
    first, other, second = ana.write(0, "hello"), eve.write(0, "eve"), ana.write(5, " there")
    rows = [keep(uncommitted, first, 1), keep(uncommitted, other, 1, SOUTH), keep(uncommitted, second, 2)]
    ben.hear(first)
    needed = uncommitted.needed_by(walk(ben.write(5, "!")))
    assert uncommitted.through(needed) == rows[:1]
    ben.hear(second)
    needed = uncommitted.needed_by(walk(ben.write(0, "?")))  # left of everything: its right neighbour is the first
    assert uncommitted.through(needed) == rows[:1]
    assert uncommitted.through(uncommitted.needed_by(walk(ana.write(11, "...")))) == rows


def test_a_deletion_needs_what_it_deletes() -> None:
    ana, ben = Person(1), Person(2)
    uncommitted = Uncommitted()
    updates = [ana.write(0, "one "), ana.write(4, "two "), ana.write(8, "three")]
    rows = [keep(uncommitted, update, number) for number, update in enumerate(updates, 1)]
    ben.hear(*updates)
    assert uncommitted.through(uncommitted.needed_by(walk(ben.delete(5, 6)))) == rows[:2]
    assert uncommitted.through(uncommitted.needed_by(walk(ben.delete(0, 1)))) == rows[:2]  # brings all deletions
    fresh = Person(4)
    fresh.hear(*updates)
    assert uncommitted.through(uncommitted.needed_by(walk(fresh.delete(3, 4)))) == rows[:1]


def test_what_lies_in_something_of_others_needs_it() -> None:
    ana, ben = Person(1), Person(2)
    uncommitted = Uncommitted()
    list_of_ana = ana.document.get("list", type=Array)
    nested = ana._said(lambda: list_of_ana.append(Map({})))
    kept = keep(uncommitted, nested, 1)
    ben.hear(nested)
    list_of_ben = ben.document.get("list", type=Array)
    inside = ben._said(lambda: list_of_ben[0].__setitem__("key", 1))
    assert uncommitted.through(uncommitted.needed_by(walk(inside))) == [kept]


def test_who_wrote_on_another_node_first_needs_that_here() -> None:
    ana = Person(1)
    uncommitted = Uncommitted()
    kept = keep(uncommitted, ana.write(0, "on another node"), 1)
    text = ana.document.get("another", type=Text)
    elsewhere = ana._said(lambda: text.insert(0, "no neighbour at all"))
    assert uncommitted.through(uncommitted.needed_by(walk(elsewhere))) == [kept]


def test_what_its_node_committed_is_not_kept() -> None:
    ana, ben, eve = Person(1), Person(2), Person(3)
    uncommitted = Uncommitted()
    updates = [ana.write(0, "a"), ana.write(1, "b"), ana.write(2, "c")]
    rows = [keep(uncommitted, update, number) for number, update in enumerate(updates, 1)]
    other = keep(uncommitted, eve.write(0, "eve"), 1, SOUTH)
    assert uncommitted.size == sum(len(entry.update) for each in [*rows, other] for entry in each.entries)
    uncommitted.committed(NORTH, 2)
    uncommitted.committed(NORTH, 1)
    assert uncommitted.all() == [rows[2], other]
    assert uncommitted.size == sum(len(entry.update) for each in [rows[2], other] for entry in each.entries)
    assert [(NORTH, number) in uncommitted for number in (1, 2, 3)] == [False, False, True]
    assert uncommitted.epochs == {NORTH, SOUTH}
    ben.hear(*updates)
    assert uncommitted.needed_by(walk(ben.write(1, "!"))) == 0  # between a and b
    assert uncommitted.through(uncommitted.needed_by(walk(ben.write(4, "!")))) == rows[2:]


def test_what_somebody_else_committed_for_it_is_not_kept() -> None:
    ana = Person(1)
    uncommitted = Uncommitted()
    rows = [keep(uncommitted, ana.write(number, "x"), number + 1) for number in range(3)]
    uncommitted.written((NORTH, 2))
    uncommitted.written((NORTH, 2))
    uncommitted.written((SOUTH, 1))
    assert uncommitted.all() == [rows[0], rows[2]]


def test_rows_of_one_node_are_adopted_in_the_order_in_which_they_joined() -> None:
    ana, eve = Person(1), Person(3)
    uncommitted = Uncommitted()
    north, south = [], []
    for number in range(3):
        north.append(keep(uncommitted, ana.write(0, "a"), 3 - number))
        south.append(keep(uncommitted, eve.write(0, "e"), number + 1, SOUTH))
    assert uncommitted.of(NORTH) == north
    assert uncommitted.of(SOUTH) == south
    assert uncommitted.of(UUID(int=9)) == []
    assert uncommitted.all() == [each for pair in zip(north, south, strict=True) for each in pair]


def test_keeping_one_twice_changes_nothing() -> None:
    ana, ben = Person(1), Person(2)
    uncommitted = Uncommitted()
    update = ana.write(0, "a")
    kept = keep(uncommitted, update, 1)
    size = uncommitted.size
    later = keep(uncommitted, ben.write(0, "b"), 1, SOUTH)
    keep(uncommitted, update, 1)
    assert uncommitted.all() == [kept, later]
    uncommitted.committed(NORTH, 1)
    assert uncommitted.size < size * 2
    assert uncommitted.needed_by(walk(ana.write(1, "c"))) == 0


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_an_edit_with_what_it_builds_on_lacks_nothing_and_with_less_it_does(seed: int) -> None:
    """Histories of three people on two nodes, of which a part is committed. The journal must be able to show each next
    edit with just the rows named; and not with the last of them left out."""
    chance = random.Random(seed)
    people = [Person(client) for client in (11, 12, 13)]
    said: list[bytes] = []
    heard = [0] * len(people)
    epochs: list[UUID] = []
    uncommitted = Uncommitted()
    committed = 0
    sequences = {NORTH: 0, SOUTH: 0}
    for _ in range(40):
        at = chance.randrange(len(people))
        person = people[at]
        if chance.random() < 0.5:
            until = chance.randint(heard[at], len(said))
            person.hear(*said[heard[at] : until])
            heard[at] = until
        length = len(str(person.text))
        if length > 2 and chance.random() < 0.3:
            start = chance.randrange(length)
            edit = person.delete(start, min(length, start + chance.randint(1, 3)))
        else:
            edit = person.write(chance.randint(0, length), chance.choice(["a", "bc", "def"]))
        walked = walk(edit)
        needed = uncommitted.needed_by(walked)
        shown = Intake(
            *said[:committed], *(entry.update for each in uncommitted.through(needed) for entry in each.entries)
        )
        assert shown.held == []
        shown.feed(edit)
        assert shown.held == []
        if needed:
            less = [entry.update for each in uncommitted.through(needed - 1) for entry in each.entries]
            assert Intake(*said[:committed], *less, edit).held != []
        said.append(edit)
        epoch = NORTH if at == 0 else SOUTH
        epochs.append(epoch)
        sequences[epoch] += 1
        keep(uncommitted, edit, sequences[epoch], epoch)
        if chance.random() < 0.2:
            committed = chance.randint(committed, len(said))
            for each in (NORTH, SOUTH):
                uncommitted.committed(each, epochs[:committed].count(each))
    assert len(uncommitted) == len(said) - committed
