from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Array, Doc, Map, Text

from collab_core.engine import EngineRefused
from collab_core.journal.port import Entry
from collab_core.merge import merge
from edge.dojos.files import File
from edge.dojos.replay.edits import Edit
from edge.dojos.replay.player import Change, Player, texts_in
from tests.edge.dojos.replay.test_edits import made
from tests.edge.dojos.replay.writing import ANA, BOB, NOON_MS, Writer


def play(player: Player, entries: Sequence[Entry]) -> list[Change]:
    return [change for entry in entries for change in player.play(entry)]


def shown(changes: Sequence[Change]) -> dict[str, str]:
    """What somebody sees who makes the changes."""
    texts: dict[str, str] = {}
    for change in changes:
        texts[change.file] = made(texts.get(change.file, ""), change.edits)
    return texts


def session(seed: int, steps: int) -> tuple[list[Entry], str]:
    """Two people who type and delete at random, hearing of each other now and then; entries in a causal order."""
    chance = random.Random(seed)
    people = [Writer(ANA, 1), Writer(BOB, 2)]
    entries: list[Entry] = []
    heard = [0, 0]
    for step in range(steps):
        me = chance.randrange(2)
        writer = people[me]
        if chance.random() < 0.4:
            writer.hear(*entries[heard[me] :])
            heard[me] = len(entries)
        text = writer.text()
        at = chance.randint(0, len(text))
        start, end = len(text[:at].encode()), len(text[: at + chance.randint(0, 4)].encode())
        if start < end and chance.random() < 0.4:
            entries.append(writer.delete(NOON_MS + step, start, end))
        else:
            entries.append(
                writer.type(NOON_MS + step, start, chance.choice(["a", "bc\n", "\u00e9", "\U0001f600", "xyz"]))
            )
    for writer in people:
        writer.hear(*entries)
    assert people[0].text() == people[1].text()
    return entries, people[0].text()


class TestPlaying:
    def test_who_typed_what_and_when(self) -> None:
        ana, bob = Writer(ANA, 1), Writer(BOB, 2)
        first = ana.type(NOON_MS, 0, "print(1)")
        bob.hear(first)
        second = bob.delete(NOON_MS + 500, 6, 7)
        third = bob.type(NOON_MS + 900, 6, "\U0001f600")
        assert play(Player(), [first, second, third]) == [
            Change(NOON_MS, ANA, "main.py", [Edit(0, 0, "print(1)")]),
            Change(NOON_MS + 500, BOB, "main.py", [Edit(6, 7, "")]),
            Change(NOON_MS + 900, BOB, "main.py", [Edit(6, 6, "\U0001f600")]),
        ]

    @pytest.mark.parametrize("seed", range(5))
    def test_the_changes_give_the_text(self, seed: int) -> None:
        entries, text = session(seed, 200)
        player = Player()
        changes = play(player, entries)
        assert shown(changes)["main.py"] == player.texts()["main.py"] == text

    @pytest.mark.parametrize("seed", range(5))
    def test_it_goes_on_from_a_state_in_the_middle(self, seed: int) -> None:
        entries, text = session(seed, 200)
        player = Player(merge([entry.update for entry in entries[:100]]))
        before = player.texts()
        after = before | {"main.py": before["main.py"]}
        for change in play(player, entries[100:]):
            after[change.file] = made(after[change.file], change.edits)
        assert after["main.py"] == player.texts()["main.py"] == text

    def test_entries_of_two_nodes_out_of_order_wait_for_what_they_need(self) -> None:
        entries, text = session(7, 120)
        random.Random(1).shuffle(entries)
        player = Player()
        changes = play(player, entries)
        assert shown(changes)["main.py"] == player.texts()["main.py"] == text
        assert [change.at for change in changes] == sorted(change.at for change in changes)

    def test_a_state_with_a_gap_is_refused(self) -> None:
        ana = Writer(ANA, 1)
        typed = [ana.type(NOON_MS, number, "x") for number in range(4)]
        with pytest.raises(EngineRefused):
            Player(merge([typed[0].update, typed[2].update, typed[3].update]))

    def test_an_entry_that_comes_twice_changes_nothing(self) -> None:
        first = Writer(ANA, 1).type(NOON_MS, 0, "x")
        player = Player()
        assert len(play(player, [first])) == 1
        assert play(player, [first, first]) == []

    def test_bytes_that_are_no_update_change_nothing(self) -> None:
        player = Player()
        assert player.play(Entry(ANA, NOON_MS, b"\xff\xff\xff\xff\x07")) == []
        assert player.texts() == {}

    def test_a_text_with_something_else_in_it_is_told_as_text(self) -> None:
        ana = Writer(ANA, 1)
        entries = [
            ana.type(NOON_MS, 0, "ab"),
            ana.change(NOON_MS + 1, lambda doc: doc.get("file/main.py", type=Text).insert_embed(1, {"image": "x"})),
            ana.type(NOON_MS + 2, 3, "c"),
        ]
        player = Player()
        assert shown(play(player, entries)) == player.texts() == {"main.py": "abc"}


class TestWhoseItIs:
    def test_what_somebody_else_brought_back_is_its_owners(self) -> None:
        ana, bob = Writer(ANA, 1), Writer(BOB, 2)
        first = ana.type(NOON_MS, 0, "ana")
        bob.hear(first)
        second = bob.type(NOON_MS, 3, " bob")
        owners: dict[int, UUID] = {1: ANA, 2: BOB}
        player = Player(owner=lambda client, _clock: owners.get(client))
        changes = player.play(Entry(BOB, NOON_MS, merge([first.update, second.update]), healed=True))
        assert [(change.user_id, change.edits) for change in changes] == [
            (ANA, [Edit(0, 0, "ana")]),
            (BOB, [Edit(3, 3, " bob")]),
        ]

    def test_a_deletion_is_who_sent_it(self) -> None:
        ana, bob = Writer(ANA, 1), Writer(BOB, 2)
        first = ana.type(NOON_MS, 0, "ana")
        bob.hear(first)
        (change,) = play(Player(owner=lambda _client, _clock: ANA), [first, bob.delete(NOON_MS + 1, 0, 1)])[1:]
        assert change.user_id == BOB


class TestFiles:
    def test_they_come_in_their_order_with_what_is_known_of_them(self) -> None:
        ana = Writer(ANA, 1)
        entries = [
            ana.type(NOON_MS, 0, "\U0001f600", file="b.py"),
            ana.type(NOON_MS, 0, "aa", file="a.py"),
            ana.describe(NOON_MS, "b.py", "python", 0),
            ana.describe(NOON_MS, "c.py", 5, float("nan")),
        ]
        player = Player()
        play(player, entries)
        assert player.files() == [
            File("b.py", "python", 0.0, 2),
            File("a.py", None, None, 2),
            File("c.py", None, None, 0),
        ]

    def test_a_root_that_is_no_file_is_none(self) -> None:
        doc: Doc[Text] = Doc()
        doc.get("content", type=Text).insert(0, "x")
        assert texts_in(doc.get_update())[0] == {}

    def test_roots_of_another_kind_than_they_should_be_are_empty(self) -> None:
        doc: Doc[Any] = Doc()
        doc.get("files", type=Text).insert(0, "no map")
        doc.get("file/main.py", type=Map)["no"] = "text"
        doc.get("file/list", type=Array).append(Map({"deep": b"bytes"}))
        player = Player()
        assert player.play(Entry(ANA, NOON_MS, doc.get_update())) == []
        assert player.files() == []
        assert texts_in(doc.get_update()) == ({"list": "", "main.py": ""}, {})
