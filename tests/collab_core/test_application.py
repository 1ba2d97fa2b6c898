"""What stands on a room is asked and told; and the dialect that has no document."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from collab_core.application import NoApplication
from collab_core.closes import CloseCode
from collab_core.intake import NotTaken
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.room import Room
from collab_core.splice import Splice
from tests.collab_core.client import Client, big_text
from tests.collab_core.live import SLEEPY, live, on_uvloop, until, user_of


class Recorder(NoApplication):
    """Lets write whoever is named, and keeps what it is told."""

    made: list[Recorder]

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.room = room
        self.writers = {"ana", "ben", "json"}
        self.calls: list[tuple[str, Any]] = []
        self.authors: list[UUID] = []
        self.made.append(self)

    def may_write(self, member: Member) -> bool:
        return member.admission.name in self.writers

    def joined(self, member: Member) -> None:
        self.calls.append(("joined", member.admission.name))

    def left(self, member: Member) -> None:
        self.calls.append(("left", member.admission.name))

    def told(self, member: Member, payload: bytes) -> None:
        self.calls.append(("told", payload))
        member.say({"type": "ECHO", "you": member.admission.name})

    def taken(self, author: UUID) -> None:
        self.authors.append(author)
        self.calls.append(("taken", self.room.view.text("t")))

    def flushed(self) -> None:
        self.calls.append(("flushed", None))

    def committed(self, position: int) -> None:
        self.calls.append(("committed", position))

    def drained(self, member: Member) -> None:
        self.calls.append(("drained", member.admission.name))
        member.say({"type": "NEWEST"})

    def close(self) -> None:
        self.calls.append(("close", None))


@pytest.fixture
def made() -> list[Recorder]:
    """The applications made, in order."""
    Recorder.made = []
    return Recorder.made


@on_uvloop
async def test_an_edit_is_taken_flushed_and_committed_in_this_order(made: list[Recorder]) -> None:
    async with live(applications=Recorder, tuning=SLEEPY) as server:
        ana = await server.member("ana")
        [application] = made
        await ana.type("hello")
        await until(lambda: ("committed", 1) in application.calls)
        assert application.calls == [("joined", "ana"), ("taken", "hello"), ("flushed", None), ("committed", 1)]
        position = server.room().compose(user_of("json"), "t", [Splice(5, 5, "!")])
        assert position == 2
        await ana.until_text("hello!")
        await until(lambda: ("committed", 2) in application.calls)
        assert application.authors == [user_of("ana"), user_of("json")]
        await ana.end()
        await until(lambda: not server.hub.rooms)
        assert application.calls[-2:] == [("left", "ana"), ("close", None)]


@on_uvloop
async def test_the_right_to_write_is_asked_at_each_edit(made: list[Recorder]) -> None:
    async with live(applications=Recorder) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await ana.type("one")
        await ben.until_text("one")
        made[0].writers = {"ben"}
        await ben.until_heard()
        await ana.type("two")
        await ana.until(lambda: ana.told_of("reset"))
        assert ana.told_of("reset") == [{"type": "reset", "reason": "read_only"}]
        await ben.type("!")
        await ben.until_heard()
        made[0].writers = {"ana"}
        ana.start_over()
        await ana.sync()
        await ana.type("?")
        await ben.until_text("one!?")
        await ben.type("late")
        assert (await ben.until_closed()).code == CloseCode.FORBIDDEN


@on_uvloop
async def test_a_json_member_has_no_document_and_says_what_the_application_knows(made: list[Recorder]) -> None:
    async with live(applications=Recorder) as server:
        json, ana = await server.enter("json", json=True), await server.member("ana")
        await json.tell({"type": "RUN_CODE"})
        await json.until(lambda: json.told_of("ECHO"))
        assert ("told", b'{"type":"RUN_CODE"}') in made[0].calls
        await json.send_raw(b"\x81\x82\x00\x00\x00\x00no")
        await json.until(lambda: json.told_of("ERROR"))
        await ana.type("hello")
        await ana.until_heard()
        assert {message["type"] for message in json.told} == {"ECHO", "ERROR"}, "no frame of Yjs, nothing of dojo.v1's"
        assert len(json.frames) == len(json.told)
        await json.send(b"\x00\x00\x01\x00")
        assert (await json.until_closed()).code == CloseCode.MALFORMED


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"expires": 1.0}, 4001),
        ({"room": "closed"}, 4004),
        ({"room": "full"}, 4003),
        ({}, None),
    ],
)
@on_uvloop
async def test_json_members_are_closed_with_codes_of_their_own(how: dict[str, Any], code: int | None) -> None:
    async with live(limits=Limits(members_per_room=1)) as server:
        if code is None:
            member = await server.enter(json=True, user="ana")
            await member.until_heard()
            server.room().expel(server.seat("ana"), CloseCode.RESTARTING)
            assert (await member.until_closed()).code == 4500
            return
        if how.get("room") == "full":
            await server.member("ben", room="full")
        member = await server.enter(json=True, **how)
        if "expires" in how:
            await member.until_heard()
            server.room().expire(2.0)
        assert (await member.until_closed()).code == code


async def stopped(server: Any, client: Client) -> None:
    """The client does not read, and the server has noticed."""
    await client.stop_reading()
    seat = server.seat("json")
    while not seat.paused:
        seat.say({"type": "FILL", "text": big_text(60_000)})


@on_uvloop
async def test_a_json_member_that_drains_is_told_by_the_application(made: list[Recorder]) -> None:
    async with live(applications=Recorder) as server:
        json = await server.enter("json", json=True, receive_buffer=4096)
        await json.until_heard()
        await stopped(server, json)
        server.seat("json").say({"type": "LOST"})
        json.read()
        await json.until(lambda: json.told_of("NEWEST"))
        assert ("drained", "json") in made[0].calls
        assert not json.told_of("LOST")


@on_uvloop
async def test_what_cannot_be_composed_says_why() -> None:
    async with live(limits=Limits(document_bytes=1_000)) as server:
        ana = await server.member("ana")
        room = server.room()
        with pytest.raises(NotTaken, match="full"):
            room.compose(user_of("json"), "t", [Splice(0, 0, "x" * 1_001)])
        room.compose(user_of("json"), "t", [Splice(0, 0, "\x00\U0001f600é")])
        await ana.until_text("\x00\U0001f600é")
        room.writable = False
        with pytest.raises(NotTaken, match="not taken at the moment"):
            room.compose(user_of("json"), "t", [Splice(0, 0, "x")])
        assert server.text() == "\x00\U0001f600é"
