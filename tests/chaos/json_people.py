"""People without a document: `dojo.json.v1`, one edit in flight, sent again as it was after a lost connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec

from tests.chaos.cluster import Node, Place
from tests.chaos.people import Op, Person, Signs

NOT_TAKEN_SECONDS: Final = 0.5
"""Until an edit that the node has no room for is tried again."""


class JsonPerson(Person):
    """Types only while connected, and only once the edit before is acknowledged: as docs/protocol.md asks."""

    subprotocol = "dojo.json.v1"

    def __init__(self, name: str, place: Place, nodes: Sequence[Node], random: Random, signs: Signs) -> None:
        super().__init__(name, place, nodes, random, signs)
        self._file = ""
        self._shadow = ""
        self._version = ""
        self._seq = 0
        self._flight: dict[str, Any] | None = None
        self._flown: Op | None = None
        self._by_seq: dict[int, Op] = {}
        self._unsure: list[Op] = []
        """Taken, as the text shows, but never acknowledged under its number."""

    @property
    def text(self) -> str:
        return self._shadow

    @property
    def all_saved(self) -> bool:
        return self._flight is None and all(op.saved or op in self._unsure for op in self.ops)

    async def edit(self) -> None:
        """Type a sign at a random place."""
        if self._flight is None and self.in_room.is_set():
            op = Op(self._signs.next())
            self.ops.append(op)
            await self._make(op)

    async def _make(self, op: Op) -> None:
        self._seq += 1
        at = self._random.randrange(len(self._shadow) + 1)
        units = len(self._shadow[:at].encode("utf-16-le")) // 2
        self._flown = self._by_seq[self._seq] = op
        self._flight = {
            "type": "CODE_UPDATE",
            "file": self._file,
            "seq": self._seq,
            "baseVersion": self._version,
            "edits": [{"from": units, "to": units, "insert": op.sign}],
        }
        self.note(f"sends {self._seq} {op}")
        await self._say(self._flight)

    async def _opened(self) -> None:
        self._file = ""

    def _gave_up(self) -> None:
        super()._gave_up()
        if self._flown is not None:
            self._flown.remade = True

    async def _hear(self, frame: bytes | str) -> None:
        message = msgspec.json.decode(frame, type=dict[str, Any])
        self.told[message["type"]] += 1
        match message["type"]:
            case "CODE_UPDATE":
                await self._take(message)
            case "SAVED" if "seq" in message:
                self.note(f"saved {message['seq']}")
                for seq, op in self._by_seq.items():
                    if seq <= message["seq"]:
                        op.saved = True
            case "ERROR" if "seq" in message:
                await self._refused(message)

    async def _take(self, message: dict[str, Any]) -> None:
        joined = not self._file
        self._file = message["file"]
        content = message.get("content")
        if content is None:
            units = self._shadow.encode("utf-16-le")
            for edit in reversed(message["edits"]):
                units = units[: 2 * edit["from"]] + edit["insert"].encode("utf-16-le") + units[2 * edit["to"] :]
            content = units.decode("utf-16-le")
        self._shadow, self._version = content, message["version"]
        if joined:
            self._enter_room()
            if self._flight is not None and self._flown is not None:
                self.note(f"sends {self._flight['seq']} again; there: {self._flown.sign in content}")
                await self._say(self._flight)  # the very same
        if self._flight is not None and message.get("ackSeq") == self._flight["seq"]:
            assert self._flown is not None
            self._flown.taken = True
            self.note(f"taken {self._flight['seq']}; there: {self._flown.sign in content}")
            self._flight = self._flown = None

    async def _refused(self, message: dict[str, Any]) -> None:
        if self._flight is None or message["seq"] != self._flight["seq"]:
            self.troubles.append(f"an error about no edit in flight: {message['code']}")
            return
        op = self._flown
        assert op is not None
        self.note(f"refused {message['seq']} {message['code']}; there: {op.sign in message.get('content', '')}")
        self._flight = self._flown = None
        if message["code"] not in {"stale_version", "not_taken"}:
            self.troubles.append(f"refused: {message['code']}: {message['message']}")
        if message["code"] == "not_taken":
            await asyncio.sleep(NOT_TAKEN_SECONDS)
        if "content" in message:
            self._shadow, self._version = message["content"], message["version"]
        if op.sign in self._shadow:
            self._unsure.append(op)  # whoever merges sees that it is there
        else:
            await self._make(op)
