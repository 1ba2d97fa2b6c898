"""Whole histories, made with real documents of several people, and forged updates, through the log in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, merge_updates

from collab_core.document import Document
from collab_core.log import SplitCharacter
from collab_core.merge import merge
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk
from tests.collab_core.intake import Intake
from tests.vectors import update_vectors

EMOJI = "\U0001f600"

FORGED_ROOMS = 400
"""Rooms that are sent twenty forgeries each."""


class History:
    """What people with real documents wrote at the same time, each hearing of the others now and then."""

    CHARACTERS = ("a", "b", " ", "é", "日", EMOJI, "ab", f"x{EMOJI}y", "hello")

    def __init__(self, chance: random.Random, *, nested: bool) -> None:
        self.updates: list[bytes] = []
        self._chance = chance
        self._nested = nested
        self._writing = False
        self._people = [Doc[Any](client_id=client) for client in range(11, 11 + chance.randint(2, 4))]
        self._heard = [0] * len(self._people)
        for person in self._people:
            person.observe(self._note)
        for _ in range(chance.randint(5, 30)):
            self._step()

    def _note(self, event: Any) -> None:
        if self._writing:
            self.updates.append(event.update)

    def _step(self) -> None:
        who = self._chance.randrange(len(self._people))
        person = self._people[who]
        if self._chance.random() < 0.4:
            for heard in self.updates[self._heard[who] :]:
                person.apply_update(heard)
            self._heard[who] = len(self.updates)
        self._writing = True
        with person.transaction():
            for _ in range(self._chance.randint(1, 2)):
                (self._nest if self._nested and self._chance.random() < 0.6 else self._type)(person)
        self._writing = False

    def _type(self, person: Doc[Any]) -> None:
        body = person.get("t", type=Text)
        text = str(body)
        places = [len(text[:at].encode()) for at in range(len(text) + 1)]
        start = self._chance.randrange(len(places))
        if text and start < len(text) and self._chance.random() < 0.4:
            end = self._chance.randint(start + 1, min(len(text), start + 4))
            del body[places[start] : places[end]]
        else:
            body.insert(places[start], self._chance.choice(self.CHARACTERS))

    def _nest(self, person: Doc[Any]) -> None:
        root = person.get("m", type=Map)
        key = self._chance.choice("kl")
        inner = root.get(key)
        match self._chance.randrange(4):
            case 0:
                root[key] = Map({"deep": Text("d")})
            case 1 if isinstance(inner, Map):
                inner[self._chance.choice("pq")] = self._chance.choice([1, "two", None])
            case 2 if inner is not None:
                del root[key]
            case _:
                person.get("a", type=Array).append(Map({"n": self._chance.random()}))

    def delivered(self) -> list[bytes]:
        """Shuffled, duplicated, neighbours merged into one (with gaps between them, if they do not follow)."""
        chance = self._chance
        updates = [*self.updates, *chance.choices(self.updates, k=len(self.updates) // 3)]
        chance.shuffle(updates)
        delivered = []
        while updates:
            some, updates = updates[: (size := chance.choice((1, 1, 1, 2, 3)))], updates[size:]
            delivered.append(merge_updates(*some) if len(some) > 1 else some[0])
        return delivered


def content(raw: bytes) -> tuple[str, Any, Any]:
    document = Doc[Any]()
    document.apply_update(raw)
    text, tree, row = document.get("t", type=Text), document.get("m", type=Map), document.get("a", type=Array)
    return str(text), tree.to_py(), row.to_py()


@pytest.mark.parametrize("nested", [False, True], ids=["text", "nested"])
@settings(derandomize=True, deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_histories_in_any_order_end_as_all_of_it(nested: bool, seed: int) -> None:
    chance = random.Random(seed)
    history = History(chance, nested=nested)
    intake = Intake()
    member = Document()
    for raw in history.delivered():
        intake.feed(raw)
        if chance.random() < 0.3 and (piece := intake.log.flush()) is not None:
            member.apply(piece)
    if (piece := intake.log.flush()) is not None:
        member.apply(piece)

    assert intake.held == []
    everything = merge(history.updates)
    whole = intake.log.whole()
    expected = Document(everything)
    assert content(whole) == content(everything)
    for document in (intake.document, member, Document(whole)):
        assert document.state() == intake.log.state == expected.state()
        assert document.deleted() == expected.deleted()
        assert document.text("t") == expected.text("t")
    assert _is_part(intake.log.deleted, expected.deleted())
    if not nested:  # a map drops the older of two values by itself: no update says that it is deleted
        assert intake.log.deleted == expected.deleted()


def _is_part(part: dict[int, IdRanges], whole: dict[int, IdRanges]) -> bool:
    return all(client in whole and whole[client].covers(*span) for client, ranges in part.items() for span in ranges)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_what_is_accepted_needs_nothing_that_came_later(seed: int) -> None:
    """Any beginning of what was accepted, merged or one after the other, is a document without gaps."""
    chance = random.Random(seed)
    intake = Intake(*History(chance, nested=chance.random() < 0.5).delivered())
    document = Document()
    for count, raw in enumerate(intake.accepted, 1):
        document.apply(raw)
        merged = merge(intake.accepted[:count])
        assert document.state() == Document(merged).state()
        assert {section.client: section.end for section in walk(merged).sections} == document.state()
        assert not any(section.skips for section in walk(merged).sections)


# Forgeries

VECTORS = [vector.update for vector in update_vectors()]


def forged(chance: random.Random) -> bytes:
    """A real update with one to three changes."""
    raw = chance.choice(VECTORS)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
            case 1:
                raw = raw[:at] + bytes([(raw[at] + chance.choice((-1, 1))) % 256]) + raw[at + 1 :]
            case 2:
                raw = (raw[:at] + raw[at + chance.randint(1, 4) :]) or EMPTY_UPDATE
            case 3:
                raw = raw[:at] + bytes([chance.randrange(12)]) + raw[at:]
            case _:
                other = chance.choice(VECTORS)
                raw = raw[:at] + other[chance.randrange(len(other)) :]
    return raw


def test_what_passes_the_codec_and_the_log_every_document_takes() -> None:
    """Where the engine and the codec read bytes differently, states part; where it depends on the order in which
    bytes come, the merged ones load no more. Neither may happen."""
    chance = random.Random(20)
    accepted = 0
    for _ in range(FORGED_ROOMS):
        intake = Intake()
        for _ in range(20):
            try:
                intake.feed(forged(chance))
            except (WireError, SplitCharacter):
                continue
        accepted += len(intake.accepted)
        whole = intake.log.whole()
        assert {section.client: section.end for section in walk(whole).sections} == intake.log.state
        assert Document(whole).state() == intake.log.state
    assert accepted > FORGED_ROOMS
