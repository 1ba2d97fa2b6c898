"""A real room with its JSON code, and connections that are lists: what a socket would be told, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
from pycrdt import Doc, Text, TransactionEvent, create_sync_message, create_update_message, handle_sync_message

from collab_core.admission import Admission, Dialect
from collab_core.application import Applications, NoApplication
from collab_core.bus.local import LocalExchange
from collab_core.closes import CloseCode
from collab_core.hub import Hub
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.port import Journal
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.room import Room
from collab_core.tuning import Tuning
from edge.live.json.json_code import JsonCode
from edge.live.json.open_files import ListedFile
from tests.collab_core.live import CALM, tenant_of, user_of
from tests.edge.live.json.thin_client import ThinClient

KEY = RoomKey(tenant_of("acme"), "room")
DEADLINE_SECONDS = 10.0


class CodeApplication(NoApplication):
    """A room that is nothing but its code."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.paths: Sequence[str] = ["main.py"]
        self.readonly: set[str] = set()
        self.code = JsonCode(room, files=self._listed, names=lambda user: f"<{user.hex[:4]}>", may_write=self.may_write)

    def _listed(self) -> Sequence[ListedFile]:
        return tuple(ListedFile(path, None) for path in self.paths)

    def may_write(self, member: Member) -> bool:
        return super().may_write(member) and member.admission.name not in self.readonly

    def joined(self, member: Member) -> None:
        if member.dialect is Dialect.JSON:
            self.code.joined(member)

    def left(self, member: Member) -> None:
        if member.dialect is Dialect.JSON:
            self.code.left(member)

    def told(self, member: Member, payload: bytes) -> None:
        self.code.code_update(member, payload)

    def taken(self, author: UUID) -> None:
        self.code.taken(author)

    def flushed(self) -> None:
        self.code.flushed()

    def committed(self, position: int) -> None:
        self.code.committed(position)

    def drained(self, member: Member) -> None:
        self.code.drained(member)


class Wire:
    """The server's end of a connection, as `Connection`."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.full: Callable[[], None] | None = None
        """Called after each frame while the peer does not read."""
        self.closed: CloseCode | None = None

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)
        if self.full is not None:
            self.full()

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    @property
    def unsent(self) -> int:
        return 0

    def take(self) -> list[bytes]:
        """The payloads of what was written."""
        frames, self.frames = self.frames, []
        return [payload_of(frame) for frame in frames]


def payload_of(frame: bytes) -> bytes:
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


class Person:
    """A JSON client in the room. `thin` is what its app knows; `receive` hands over what came."""

    def __init__(self, scene: Scene, name: str, room: Room, member: Member, wire: Wire) -> None:
        self.scene = scene
        self.name = name
        self.room = room
        self.member = member
        self.wire = wire
        self.thin = ThinClient()
        self.heard: list[dict[str, Any]] = []
        self.files: list[list[str]] = []
        """The paths of each FILES, which are no part of `heard`."""

    def tell(self, message: dict[str, Any] | bytes) -> None:
        payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        self.room.application.told(self.member, payload)

    def receive(self, count: int | None = None) -> list[dict[str, Any]]:
        """What came, given to the app."""
        messages = [msgspec.json.decode(payload) for payload in self.wire.take()]
        self.files += [[file["path"] for file in m["files"]] for m in messages if m["type"] == "FILES"]
        messages = [message for message in messages if message["type"] != "FILES"]
        for message in messages:
            self.thin.receive(message)
        self.heard += messages
        return messages

    def type(self, text: str, *, as_edits: bool = False) -> None:
        """Have a new text in the editor, and send it if nothing is in flight."""
        self.thin.text = text
        self.send(as_edits=as_edits)

    def send(self, *, as_edits: bool = False) -> None:
        message = self.thin.send(as_edits=as_edits)
        if message is not None:
            self.tell(message)

    def stop_reading(self) -> None:
        self.wire.full = lambda: self.room.blocked(self.member)

    def read_on(self) -> None:
        self.wire.full = None
        self.room.drained(self.member)

    def leave(self) -> None:
        self.scene.hub.left(self.room, self.member)


class Author:
    """A client with a document."""

    def __init__(self, room: Room, member: Member, wire: Wire) -> None:
        self.room = room
        self.member = member
        self.wire = wire
        self.doc: Doc[Text] = Doc()
        self.text = self.doc.get("file/main.py", type=Text)
        self._made: list[bytes] = []
        self._local = False
        self._subscription = self.doc.observe(self._observe)
        self.room.receive(member, create_sync_message(self.doc))
        self.receive()

    def _observe(self, event: TransactionEvent) -> None:
        if self._local:
            self._made.append(event.update)

    def change(self, edit: Callable[[Text], None]) -> None:
        self._local = True
        edit(self.text)
        self._local = False

    def send(self) -> None:
        made, self._made = self._made, []
        for update in made:
            self.room.receive(self.member, create_update_message(update))

    def receive(self) -> None:
        for payload in self.wire.take():
            if payload[0] == 0:
                answer = handle_sync_message(payload[1:], self.doc)
                if answer is not None:
                    self.room.receive(self.member, answer)


class Scene:
    def __init__(
        self, journal: Journal, applications: Applications, exchange: LocalExchange | None, tuning: Tuning
    ) -> None:
        self.metrics = EngineMetrics()
        self.epoch = uuid4()
        self.bus = None if exchange is None else exchange.join(self.epoch)
        self.writer = JournalWriter(
            journal,
            epoch=self.epoch,
            backlog_bytes=1 << 20,
            backlog_bytes_per_room=1 << 20,
            interval_seconds=tuning.commit_interval_seconds,
            unsaved_after=60.0,
        )
        self.hub = Hub(
            journal,
            self.writer,
            limits=Limits(),
            tuning=tuning,
            metrics=self.metrics,
            applications=applications,
            bus=self.bus,
        )
        self.people: list[Person] = []

    @property
    def room(self) -> Room:
        return self.hub.rooms[KEY]

    @property
    def application(self) -> CodeApplication:
        assert isinstance(self.room.application, CodeApplication)
        return self.room.application

    @property
    def text(self) -> str:
        return self.room.view.text("file/main.py")

    async def _join(self, name: str, dialect: Dialect) -> tuple[Room, Member, Wire]:
        wire = Wire()
        admission = Admission(KEY, user_of(name), name, can_write=True, expires_at=time.time() + 3600)
        room, member = await self.hub.join(admission, dialect, wire)
        return room, member, wire

    async def person(self, name: str, thin: ThinClient | None = None) -> Person:
        """A JSON client that comes; with `thin` one that comes back, with what its app knows."""
        person = Person(self, name, *await self._join(name, Dialect.JSON))
        person.thin = thin or person.thin
        self.people.append(person)
        person.receive()
        return person

    async def author(self, name: str) -> Author:
        return Author(*await self._join(name, Dialect.YJS))

    async def flushed(self) -> None:
        """Until everything that joined was sent."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.room.log.pending:  # noqa: ASYNC110 - the room's inner state
                await asyncio.sleep(0)

    async def committed(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.room.feed.committed < self.room.feed.appended:  # noqa: ASYNC110 - the room's inner state
                await asyncio.sleep(0.002)


@asynccontextmanager
async def scene(
    journal: Journal | None = None,
    applications: Applications = CodeApplication,
    *,
    exchange: LocalExchange | None = None,
    tuning: Tuning = CALM,
) -> AsyncIterator[Scene]:
    """One node; those with one journal store and one `exchange` have the same room."""
    made = Scene(journal if journal is not None else MemoryJournal(), applications, exchange, tuning)
    made.writer.start()
    try:
        yield made
    finally:
        await made.hub.drain(1.0)
        await made.writer.close()


LONG = "# and so on, and so forth\n" * 8
"""Of a short text the whole is sent, because that is shorter than an edit."""


async def two(here: Scene, text: str = "hello\n") -> tuple[Person, Person]:
    """Ana and Ben, who both name versions and both have this text."""
    ana, ben = await here.person("ana"), await here.person("ben")
    ana.type(text)
    await here.flushed()
    await here.committed()  # or its SAVED comes among what is heard later
    for one in (ana, ben):
        one.receive()
        one.tell({"type": "CODE_UPDATE", "file": "main.py", "baseVersion": one.thin.version})
        one.receive()
        one.heard.clear()
    return ana, ben


def update(**fields: Any) -> dict[str, Any]:
    return {"type": "CODE_UPDATE", **fields}
