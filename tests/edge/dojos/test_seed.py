"""The first content of a room is the same bytes whoever makes it, so it is there once."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from collab_core.journal.memory import MemoryJournal
from collab_core.merge import merge
from edge.dojos.main_file import main_file
from edge.dojos.seed import seed, seed_client, seed_update
from edge.live.stage import key_of

ROOM = UUID(int=5)


def opened(*updates: bytes) -> Doc[Any]:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_made_twice_and_merged_it_is_there_once(code: str) -> None:
    one, two = seed_update(ROOM, "Python", code), seed_update(ROOM, "Python", code)
    for doc in (opened(one), opened(one, two), opened(merge([one, two]))):
        assert str(doc.get("file/main.py", type=Text)) == code
        assert doc.get("files", type=Map).to_py() == {"main.py": {"language": "Python", "order": 0}}


def test_rooms_have_authors_of_their_own() -> None:
    ids = {seed_client(uuid4()) for _ in range(100)}
    assert len(ids) == 100
    assert all(0 < id_ < 2**32 for id_ in ids)
    assert seed_client(ROOM) == seed_client(ROOM)


def test_the_file_is_named_after_the_language() -> None:
    assert [main_file(name) for name in ("python", " TypeScript ", "C++", "Brainfuck", "")] == [
        "main.py",
        "main.ts",
        "main.cpp",
        "main.txt",
        "main.txt",
    ]


async def test_a_room_that_has_content_is_left_alone() -> None:
    journal, key = MemoryJournal(), key_of(uuid4(), ROOM)
    for _ in range(3):
        await seed(journal, key, ROOM, author=uuid4(), language="go", code="package main")
    assert len((await journal.load(key)).updates) == 1
