"""The checker notices what it is there to notice."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from collab_core.identity import RoomKey
from dojo.settings import Settings
from tests.chaos.checker import Verdict, check_signs
from tests.chaos.cluster import Node, Place
from tests.chaos.people import Op, Signs
from tests.chaos.wire import Wire
from tests.chaos.yjs_people import YjsPerson


def test_signs_are_typed_once() -> None:
    signs = Signs()
    given = [signs.next() for _ in range(50_000)]
    assert len(set(given)) == len(given)
    assert {len(sign.encode("utf-16-le")) for sign in given} == {2, 4}


@pytest.mark.parametrize(
    ("ops", "text", "expected"),
    [
        ([Op("\u3400", saved=True)], "\u3400", Verdict()),
        ([Op("\u3400", saved=True)], "", Verdict(lost=["ana: U+3400"])),
        ([Op("\u3400", taken=True)], "", Verdict(gone=["ana: U+3400"])),
        ([Op("\u3400")], "", Verdict()),
        ([Op("\u3400")], "\u3400x\u3400", Verdict(twice=["U+3400"])),
        ([Op("\u3400", remade=True)], "\u3400x\u3400", Verdict(remade=["U+3400"])),
        ([Op("\u3400", saved=True), Op("\u3400", deletes=True, saved=True)], "", Verdict()),
        ([Op("\u3400", saved=True), Op("\u3400", deletes=True)], "\u3400", Verdict()),
        (
            [Op("\u3400", saved=True), Op("\u3400", deletes=True, saved=True)],
            "\u3400",
            Verdict(lost=["ana: delete U+3400"]),
        ),
    ],
)
def test_what_a_text_lacks(ops: list[Op], text: str, expected: Verdict) -> None:
    node = Node(0, Settings(), Wire(""), clock_shift=0.0, ground=None)
    place = Place(RoomKey(UUID(int=1), "checked"), "/", "text", str)
    person = YjsPerson("ana", place, [node], Random(0), Signs())
    person.ops = ops
    verdict = Verdict()
    check_signs([person], text, verdict)
    assert verdict == expected
