"""People with a document of their own: `dojo.v1` in a pycrdt document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec
from pycrdt import Doc, Text

from collab_core.wire.lib0 import Reader
from collab_core.wire.messages import STEP1, STEP2, SYNC, sync_step2, update_frame
from loadtests import dialect
from tests.chaos.cluster import Node, Place
from tests.chaos.people import Op, Person, Signs

DELETES: Final = 0.15
"""Share of edits that delete a sign of one's own."""


class YjsPerson(Person):
    """Types whether connected or not: what was typed meanwhile comes with the next connection."""

    subprotocol = "dojo.v1"

    def __init__(self, name: str, place: Place, nodes: Sequence[Node], random: Random, signs: Signs) -> None:
        super().__init__(name, place, nodes, random, signs)
        self.doc: Doc[Text] = Doc()
        self._text = self.doc.get(place.root, type=Text)
        self._applying = False
        self._outgoing: list[bytes] = []
        self._asked = False
        """Whether the node has asked on this connection: its question is answered with all that was typed before."""
        self._sent: list[int] = []
        """For each sync message sent on this connection: how many edits it and those before it hold."""
        self._saved_messages = 0
        self._subscription = self.doc.observe(self._changed)

    @property
    def text(self) -> str:
        return str(self._text)

    @property
    def all_saved(self) -> bool:
        return all(op.saved for op in self.ops)

    async def edit(self) -> None:
        """Type a sign at a random place, or delete one of one's own."""
        text = self.text
        mine = [op.sign for op in self.ops if not op.deletes and op.sign in text]
        if mine and self._random.random() < DELETES:
            sign = self._random.choice(mine)
            start = len(text[: text.index(sign)].encode())
            self.ops.append(Op(sign, deletes=True))
            del self._text[start : start + len(sign.encode())]
        else:
            sign = self._signs.next()
            self.ops.append(Op(sign))
            self._text.insert(len(text[: self._random.randrange(len(text) + 1)].encode()), sign)
        await self._flush()

    async def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._asked:
            for update in outgoing:
                self._sent.append(len(self.ops))
                await self._send(update_frame(update))

    def _changed(self, event: Any) -> None:
        if not self._applying:
            self._outgoing.append(event.update)

    async def _opened(self) -> None:
        self._asked = False
        self._outgoing, self._sent = [], []
        self._saved_messages = 0
        await self._send(dialect.step_1(self.doc.get_state()))

    async def _hear(self, frame: bytes | str) -> None:
        if isinstance(frame, str):
            self._told(msgspec.json.decode(frame, type=dict[str, Any]))
            return
        reader = Reader(frame)
        if reader.var_uint() != SYNC:
            return
        step, body = reader.var_uint(), reader.var_bytes()
        if step == STEP1:
            self._asked = True
            self._outgoing = []
            self._sent.append(len(self.ops))
            await self._send(sync_step2(self.doc.get_update(body)))
            return
        self._applying = True
        try:
            self.doc.apply_update(body)
        finally:
            self._applying = False
        if step == STEP2:
            self._enter_room()

    def _told(self, message: dict[str, Any]) -> None:
        self.note(f"told {message}")
        self.told[message["type"]] += 1
        if message["type"] == "saved" and (up_to := message["upTo"]):
            for op in self.ops[: self._sent[up_to - 1]]:
                op.taken = op.saved = True
        elif message["type"] == "reset":
            self.troubles.append(f"told to start over: {message['reason']}")


async def texts_there(place: Place, node: Node, seconds: float) -> str:
    """The room's text as somebody finds it who joins at `node` and brings nothing."""
    reader = YjsPerson("reader", place, [node], Random(0), Signs())
    reader.enter()
    try:
        async with asyncio.timeout(seconds):
            await reader.in_room.wait()
        return reader.text
    finally:
        await reader.leave()
