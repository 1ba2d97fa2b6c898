"""Cursors between members with a document and members without, in a real room."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from collab_core.engine import EngineRefused
from collab_core.member import Member
from collab_core.presence import SERVER
from collab_core.relative_position import read
from collab_core.room import Room
from collab_core.wire import awareness
from collab_core.wire.messages import Awareness, awareness_frame, parse
from edge.live.colors import color_of
from edge.live.cursors import Cursors
from edge.live.incoming import Complaint, CursorPosition, Selection
from edge.live.json.positions import Position
from tests.collab_core.live import until, user_of
from tests.edge.live.json.scene import Author, CodeApplication, Person, Scene, scene, two, update

TAB = 77
ROOT = "file/main.py"


class CursorApplication(CodeApplication):
    """A room of code and cursors."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.room = room
        self.told_cursors: list[dict[str, Any]] = []
        self.cursors = Cursors(room, self.code.files, tell=self._tell, changed=lambda: None)

    def _tell(self, message: dict[str, Any]) -> None:
        self.told_cursors += msgspec.json.decode(msgspec.json.encode(message))["cursors"]

    def joined(self, member: Member) -> None:
        super().joined(member)
        self.cursors.joined(member)

    def left(self, member: Member) -> None:
        super().left(member)
        self.cursors.left(member)

    def told(self, member: Member, payload: bytes) -> None:
        spot = self.code.code_update(member, payload)
        if spot is not None:
            self.cursors.typed(member, spot)

    def presence_taken(self) -> None:
        self.cursors.presence_taken()

    def taken(self, author: UUID) -> None:
        super().taken(author)
        self.cursors.taken(author)

    def close(self) -> None:
        self.cursors.close()


class Pointing:
    """A scene with cursors, and what is said and seen of them."""

    def __init__(self, here: Scene) -> None:
        self.here = here

    @property
    def application(self) -> CursorApplication:
        application = self.here.room.application
        assert isinstance(application, CursorApplication)
        return application

    def move(self, person: Person, line: int, column: int, selection: Selection | None = None, **more: Any) -> None:
        self.application.cursors.move(person.member, CursorPosition(Position(line, column), selection, **more))

    def show(self, author: Author, state: object, client: int = TAB, clock: int = 1) -> None:
        raw = state if isinstance(state, bytes) else json.dumps(state).encode()
        payload = awareness.encode([awareness.PresenceEntry(client, clock, raw)])
        self.here.room.receive(author.member, awareness_frame(payload))

    def shown(self) -> list[dict[str, Any]]:
        """What the server shows itself."""
        states = self.here.room.presence.states().values()
        return [json.loads(state) for user, state in states if user == SERVER]

    def unit(self, position: object) -> int | None:
        found = read(position)
        assert found is not None
        return self.here.room.view.unit_of(ROOT, self.here.text, found)

    async def told(self, count: int = 1) -> list[dict[str, Any]]:
        """The cursors that those who read JSON were told, once there are `count`."""
        await until(lambda: len(self.application.told_cursors) >= count)
        told, self.application.told_cursors = self.application.told_cursors, []
        return told

    async def until_shown(self, condition: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        await until(lambda: [state for state in self.shown() if condition(state)])
        return next(state for state in self.shown() if condition(state))


@asynccontextmanager
async def pointing() -> AsyncIterator[Pointing]:
    async with scene(applications=CursorApplication) as here:
        yield Pointing(here)


def at(author: Author, unit: int) -> dict[str, Any]:
    """A place in the author's own document, in code units, as its editor would publish it."""
    length = len(str(author.text).encode("utf-16-le")) // 2
    found = author.room.view.relative(ROOT, str(author.text), unit)
    assert found is not None
    assert 0 <= unit <= length
    return found.to_json()


def cursor(head: object, anchor: object = None) -> dict[str, Any]:
    return {"user": {"name": "Eve"}, "cursor": {"head": head, "anchor": head if anchor is None else anchor}}


TEXT = "é = '😀'\nprint(é)\n"


# Of clients without a document


async def test_a_json_cursor_is_shown_to_those_with_a_document_and_stays_at_its_character() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        eve = await p.here.author("eve")
        p.move(ana, 1, 6, Selection(Position(0, 7), Position(1, 6)))
        state = await p.until_shown()
        assert state["user"] == {"name": "ana", "color": color_of(user_of("ana")), "userId": str(user_of("ana"))}
        assert state["file"] == "main.py"
        assert state["selection"] == state["cursor"]
        assert (p.unit(state["cursor"]["anchor"]), p.unit(state["cursor"]["head"])) == (7, 15)
        eve.change(lambda text: text.insert(0, "# 日\n"))
        eve.send()
        assert (p.unit(state["cursor"]["anchor"]), p.unit(state["cursor"]["head"])) == (11, 19)


async def test_the_head_is_the_end_of_the_selection_where_the_cursor_is() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        await p.here.author("eve")
        p.move(ana, 0, 7, Selection(Position(0, 7), Position(1, 6)))
        state = await p.until_shown()
        assert (p.unit(state["cursor"]["head"]), p.unit(state["cursor"]["anchor"])) == (7, 15)


async def test_the_cursor_in_an_edit_is_shown_too() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        await p.here.author("eve")
        message = update(content="ü" + TEXT, baseVersion=ana.thin.version, seq=9, position={"line": 0, "column": 1})
        ana.tell(message)
        state = await p.until_shown()
        assert p.unit(state["cursor"]["head"]) == 1
        assert (await p.told())[-1]["position"] == {"line": 0, "column": 1}


async def test_edits_between_the_word_and_the_showing_move_it() -> None:
    async with pointing() as p:
        ana, ben = await two(p.here, TEXT)
        await p.here.author("eve")
        p.move(ana, 0, 0)
        await p.until_shown()
        p.move(ana, 1, 5)  # shown a tenth of a second later
        ben.type("one line more\n" + TEXT)
        state = await p.until_shown(lambda state: p.unit(state["cursor"]["head"]) != 14)
        assert p.unit(state["cursor"]["head"]) == 14 + 14


async def test_what_is_shown_ends_with_the_connection_and_is_one_entry_for_each() -> None:
    async with pointing() as p:
        ana, ben = await two(p.here, TEXT)
        eve = await p.here.author("eve")
        p.move(ana, 0, 1)
        p.move(ben, 0, 2)
        await until(lambda: len(p.shown()) == 2)
        p.move(ana, 0, 3)
        await p.until_shown(lambda state: p.unit(state["cursor"]["head"]) == 3)
        assert len(p.shown()) == 2
        ana.leave()
        assert [state["user"]["name"] for state in p.shown()] == ["ben"]
        eve.wire.take()
        await until(lambda: [entry for entry in entries(eve.wire.take()) if entry.state == awareness.REMOVED])


def entries(payloads: list[bytes]) -> list[awareness.PresenceEntry]:
    messages = [parse(payload) for payload in payloads]
    return [entry for each in messages if isinstance(each, Awareness) for entry in awareness.decode(each.payload)]


async def test_nothing_is_shown_while_nobody_has_a_document_and_then_everything() -> None:
    async with pointing() as p:
        ana, ben = await two(p.here, TEXT)
        p.move(ana, 0, 1)
        await p.told()
        assert p.shown() == []
        p.move(ben, 0, 2)
        await p.here.author("eve")
        await until(lambda: len(p.shown()) == 2)


async def test_no_cursor_where_there_is_no_place() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        await p.here.author("eve")
        for line, column in ((9, 0), (0, 6), (-1, 0)):
            with pytest.raises(Complaint) as refused:
                p.move(ana, line, column)
            assert refused.value.code == "bad_position"
        with pytest.raises(Complaint):
            p.move(ana, 0, 0, file="no.py")


# Of clients with a document


async def test_a_cursor_with_a_document_is_told_as_line_and_column() -> None:
    async with pointing() as p:
        await two(p.here, TEXT)
        eve = await p.here.author("eve")
        p.show(eve, cursor(at(eve, 15), at(eve, 7)))
        [told] = await p.told()
        assert told == {
            "userId": str(user_of("eve")),
            "file": "main.py",
            "position": {"line": 1, "column": 6},
            "selection": {"start": {"line": 0, "column": 7}, "end": {"line": 1, "column": 6}},
        }
        assert p.application.cursors.places[user_of("eve")].position == Position(1, 6)


async def test_a_cursor_without_selection_at_the_end_and_as_monaco_says_it() -> None:
    async with pointing() as p:
        await two(p.here, TEXT)
        eve = await p.here.author("eve")
        end = at(eve, 18)
        assert end["item"] is None
        p.show(eve, {"selection": {"anchor": end, "head": end}})
        [told] = await p.told()
        assert (told["position"], told["selection"]) == ({"line": 2, "column": 0}, None)


async def test_the_file_is_the_one_that_holds_the_character() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, "one\n")
        p.application.paths = ["main.py", "other.py"]
        ana.tell(update(file="other.py", content="é other\n", baseVersion=None))
        eve = await p.here.author("eve")
        found = p.here.room.view.relative("file/other.py", "é other\n", 3)
        assert found is not None
        p.show(eve, cursor({"item": found.to_json()["item"]}))  # as engines write it that leave the root out
        [told] = await p.told()
        assert (told["file"], told["position"]) == ("other.py", {"line": 0, "column": 3})


async def test_typing_moves_a_cursor_that_is_not_said_again() -> None:
    async with pointing() as p:
        await two(p.here, TEXT)
        eve = await p.here.author("eve")
        p.show(eve, cursor(at(eve, 2)))
        await p.told()
        eve.change(lambda text: text.insert(0, "x"))
        eve.send()
        assert (await p.told())[-1]["position"] == {"line": 0, "column": 3}


async def test_newcomers_without_a_document_make_cursors_known() -> None:
    async with pointing() as p:
        ana, ben = await two(p.here, TEXT)
        eve = await p.here.author("eve")
        ana.leave()
        ben.leave()
        p.show(eve, cursor(at(eve, 2)))
        assert p.application.told_cursors == []
        await p.here.person("ivo")
        [told] = await p.told()
        assert told["position"] == {"line": 0, "column": 2}


@pytest.mark.parametrize(
    "state",
    [
        b"[]",
        b"7",
        b'"cut \\ud83d"',
        b'{"cursor":7}',
        b'{"cursor":{}}',
        b'{"cursor":{"head":[],"anchor":{}}}',
        b'{"cursor":{"head":{"tname":"file/no.py"}}}',
        b'{"cursor":{"head":{"tname":"main.py\\ud83d"}}}',
        b'{"cursor":{"head":{"item":{"client":9,"clock":9}}}}',
        b'{"cursor":{"head":{"tname":"file/main.py","item":{"client":-1,"clock":0}}}}',
        b'{"cursor":{"head":{"tname":"file/main.py","item":{"client":1e300,"clock":0}}}}',
        b'{"cursor":{"head":{"type":{"client":1,"clock":0}}}}',
        b'{"selection":null,"cursor":null}',
    ],
)
async def test_any_other_state_is_no_cursor(state: bytes) -> None:
    async with pointing() as p:
        await two(p.here, TEXT)
        eve, ivo = await p.here.author("eve"), await p.here.author("ivo")
        p.show(eve, state)
        p.show(ivo, cursor(at(ivo, 0)), client=TAB + 1)
        assert [told["userId"] for told in await p.told()] == [str(user_of("ivo"))]


async def test_a_deleted_character_is_no_place() -> None:
    async with pointing() as p:
        await two(p.here, TEXT)
        eve = await p.here.author("eve")
        gone = at(eve, 0)
        eve.change(lambda text: text.__delitem__(slice(0, 2)))
        eve.send()
        p.show(eve, cursor(gone))
        p.show(eve, cursor(at(eve, 1)), clock=2)
        [told] = await p.told()
        assert told["position"] == {"line": 0, "column": 1}


async def test_a_document_that_cannot_be_read_costs_cursors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        eve = await p.here.author("eve")
        place = at(eve, 2)

        def refuse(*_: object) -> str:
            raise EngineRefused("away")

        monkeypatch.setattr(p.here.room.view, "text", refuse)
        p.application.code.files.forget_all()
        p.move(ana, 5, 5)
        p.show(eve, cursor(place))
        [told] = await p.told()
        assert (told["userId"], told["position"]) == (str(user_of("ana")), {"line": 5, "column": 5})


# Together


async def test_many_who_move_are_all_told_in_bounded_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.live.cursors.WORK_SECONDS", 0.0)  # one of each kind at a time
    monkeypatch.setattr("edge.live.cursors.CURSORS_SECONDS", 0.001)
    async with pointing() as p:
        await two(p.here, TEXT)
        eve = await p.here.author("eve")
        authors = [await p.here.author(f"author{number}") for number in range(5)]
        people = [await p.here.person(f"person{number}") for number in range(5)]
        for number, (author, person) in enumerate(zip(authors, people, strict=True)):
            p.show(author, cursor(at(eve, number)), client=TAB + number)
            p.move(person, 0, number)
        await until(lambda: len(p.shown()) == 5)
        told = await p.told(10)
        assert {each["userId"] for each in told} == {
            str(user_of(f"{kind}{number}")) for kind in ("author", "person") for number in range(5)
        }


async def test_who_has_left_is_forgotten() -> None:
    async with pointing() as p:
        ana, _ = await two(p.here, TEXT)
        p.move(ana, 0, 1)
        p.application.cursors.forget(user_of("ana"))
        assert p.application.cursors.places == {}
