"""Hand-made updates must be what real Yjs engines take them for, or the benchmark measures nonsense."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from pycrdt import Array, Doc, Text, merge_updates

from loadtests.bench.crafted import Keyboard, UnexpectedContent, ranges
from loadtests.lib0 import Truncated

ROOT = "content"


def _text(updates: list[bytes]) -> str:
    doc: Doc[Text] = Doc()
    for update in updates:
        doc.apply_update(update)
    return str(doc.get(ROOT, type=Text))


@pytest.mark.parametrize("client_id", [1, 127, 128, 2**31, 2**32 - 1])
def test_an_engine_reads_what_was_typed(client_id: int) -> None:
    keyboard = Keyboard(client_id, ROOT)
    updates = [keyboard.press() for _ in range(300)]

    assert _text(updates) == keyboard.text()
    assert len(keyboard.text()) == 300


def test_writers_do_not_interleave_and_stand_in_the_order_of_their_ids() -> None:
    chance = random.Random(7)
    keyboards = [Keyboard(client_id, ROOT) for client_id in chance.sample(range(1, 2**31), 8)]
    updates = [chance.choice(keyboards).press() for _ in range(2000)]

    expected = "".join(keyboard.text() for keyboard in sorted(keyboards, key=lambda one: one.client_id))
    assert _text(updates) == expected


def test_the_walk_finds_each_update() -> None:
    keyboard = Keyboard(77, ROOT)

    assert [list(ranges(keyboard.press())) for _ in range(200)] == [[(77, clock, 1)] for clock in range(200)]


def test_the_walk_finds_everything_in_merged_updates() -> None:
    chance = random.Random(8)
    keyboards = [Keyboard(client_id, ROOT) for client_id in chance.sample(range(1, 2**32), 5)]
    merged = merge_updates(*[chance.choice(keyboards).press() for _ in range(500)])

    found: dict[int, list[tuple[int, int]]] = {}
    for client, clock, length in ranges(merged):
        found.setdefault(client, []).append((clock, clock + length))
    assert {client: spans[-1][1] for client, spans in found.items()} == {k.client_id: k.clock for k in keyboards}
    for spans in found.values():
        assert spans[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(spans))


def test_the_walk_finds_everything_in_an_engines_encoding() -> None:
    keyboard = Keyboard(5, ROOT)
    doc: Doc[Text] = Doc()
    for _ in range(100):
        doc.apply_update(keyboard.press())
    with doc.transaction():
        del doc.get(ROOT, type=Text)[10:20]

    assert sum(length for _, _, length in ranges(doc.get_update())) == 100


def test_a_gap_in_a_merged_update_is_not_counted() -> None:
    keyboard = Keyboard(5, ROOT)
    updates = [keyboard.press() for _ in range(10)]
    merged = merge_updates(*updates[:3], *updates[6:])

    assert sum(length for _, _, length in ranges(merged)) == 7


def test_other_content_is_reported() -> None:
    doc: Doc[Array[int]] = Doc()
    doc.get("list", type=Array).append(1)

    with pytest.raises(UnexpectedContent):
        list(ranges(doc.get_update()))


def test_a_truncated_update_is_reported() -> None:
    keyboard = Keyboard(5, ROOT)
    update = keyboard.press()

    with pytest.raises(Truncated):
        list(ranges(update[:3]))
