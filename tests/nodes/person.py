"""Somebody with a document of their own and one connection, now to this node and now to that."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from collab_core.admission import Admission, Dialect, Refused
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.member import Member
from collab_core.room import Room
from collab_core.wire import frames
from collab_core.wire.awareness import REMOVED, PresenceEntry, decode
from collab_core.wire.lib0 import Reader, write_var_bytes
from collab_core.wire.messages import AWARENESS, STEP1, SYNC, awareness_frame, sync_step2, update_frame
from tests.convergence.author import Author

if TYPE_CHECKING:
    from tests.nodes.story import Node

LATENCY_SECONDS = 0.03
"""Longest way of a frame between a person and a node; frames stay in order, as on any socket."""


class Person:
    """Implements `collab_core.member.Connection` for the room. Speaks `dojo.v1`, so it is told what is saved."""

    def __init__(self, number: int, random: Random, key: RoomKey, saved: Callable[[bytes], None]) -> None:
        """`saved` is told each update of this person's that a node says is saved."""
        self.author = Author(random.randrange(1, 2**32), self._made)
        self.user = UUID(int=random.getrandbits(128))
        self.number = number
        self.code: CloseCode | None = None
        self.acknowledged = 0
        """Updates sent that a node said are saved."""
        self.gone = False
        """Whether this person never comes back, whatever they had."""
        self.resets = 0
        self.node: Node | None = None
        self._key = key
        self._on_saved = saved
        self._random = random
        self._sent: list[bytes] = []
        """Sync updates sent over this connection, in order, since the last SyncStep1."""
        self._saved = 0
        self._seen: list[PresenceEntry] = []
        self._room: Room | None = None
        self._member: Member | None = None
        self._life = 0
        self._last = {"up": 0.0, "down": 0.0}

    @property
    def online(self) -> bool:
        return self._member is not None and self.code is None

    async def connect(self, node: Node) -> None:
        """Join the room at a node, as a stock client does: SyncStep1 first."""
        self.node = node
        self.code = None
        self._life += 1
        self._sent, self._saved = [], 0
        life = self._life
        admission = Admission(self._key, self.user, "someone", True, time.time() + 36_000)
        try:
            room, member = await node.hub.join(admission, Dialect.DOJO_V1, self)
        except Refused:
            return
        if life != self._life or node.dead:
            if not node.dead:
                node.hub.left(room, member)
            return
        self._room, self._member = room, member
        self._ask()

    def _ask(self) -> None:
        state = bytearray(b"\x00\x00")
        write_var_bytes(state, self.author.doc.get_state())
        self._up(bytes(state))

    def drop(self) -> None:
        """The connection is lost, with all that is under way on it."""
        if self._room is not None and self._member is not None and self.node is not None and not self.node.dead:
            self.node.hub.left(self._room, self._member)
        self._room = self._member = None
        self._life += 1

    def edit(self) -> None:
        self.author.edit(self._random)

    def _made(self, update: bytes) -> None:
        if self.online:
            self._sent.append(update)
            self._up(update_frame(update))

    def _later(self, way: str, call: Callable[[bytes], None], message: bytes) -> None:
        loop = asyncio.get_running_loop()
        # Never two at the same moment: timers of one moment ring in any order.
        at = max(self._last[way] + 1e-6, loop.time() + self._random.random() * LATENCY_SECONDS)
        self._last[way] = at
        life = self._life

        def arrive() -> None:
            if life == self._life:
                call(message)

        loop.call_at(at, arrive)

    def _up(self, message: bytes) -> None:
        self._later("up", self._deliver, message)

    def _deliver(self, message: bytes) -> None:
        if self._room is not None and self._member is not None and self.code is None:
            self._room.receive(self._member, message)

    def show(self, payload: bytes) -> None:
        """Send presence."""
        self._up(awareness_frame(payload))

    def removed(self, client: int) -> bool:
        """Whether the last that was said of a client id over this connection is that it is gone."""
        return [entry.state for entry in self._seen if entry.client == client][-1:] == [REMOVED]

    # The room's side

    def write(self, frame: bytes) -> None:
        self._later("down", self._take, frame)

    def _take(self, frame: bytes) -> None:
        length = frame[1]
        payload = frame[2:] if length < 126 else frame[4:] if length == 126 else frame[10:]
        if frame[0] & 0x0F == frames.TEXT:
            self._told(json.loads(payload))
            return
        if frame[0] & 0x0F != frames.BINARY:
            return
        reader = Reader(payload)
        kind = reader.var_uint()
        if kind == AWARENESS:
            self._seen += decode(reader.var_bytes())
            return
        assert kind == SYNC
        step = reader.var_uint()
        body = reader.var_bytes()
        if step == STEP1:
            update = self.author.doc.get_update(body)
            self._sent.append(update)
            self._up(sync_step2(update))
        else:
            self.author.apply(body)

    def _told(self, message: dict[str, object]) -> None:
        if message["type"] == "reset":
            # The document has what may not be: start over with a new one, as the protocol says.
            self.resets += 1
            self.author.close()
            self.author = Author(self._random.randrange(1, 2**32), self._made)
            self._sent, self._saved = [], 0
            self._ask()
        if message["type"] == "saved":
            up_to = message["upTo"]
            assert isinstance(up_to, int)
            self._acknowledge(up_to)

    def _acknowledge(self, up_to: int) -> None:
        for number in range(self._saved, min(up_to, len(self._sent))):
            self.acknowledged += 1
            self._on_saved(self._sent[number])
        self._saved = max(self._saved, up_to)

    def close(self, code: CloseCode, reason: str) -> None:
        self.code = code

    @property
    def unsent(self) -> int:
        return 0
