"""An honest `dojo.v1` client in Python: a pycrdt document that counts what it sends and notes what is saved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec
from pycrdt import Doc, Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from collab_core.wire.lib0 import Reader
from collab_core.wire.messages import AWARENESS, STEP1, STEP2, SYNC, UPDATE, sync_step1, sync_step2, update_frame

OPEN_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 20.0
"""For a sync or for everything sent to be acknowledged, on a busy machine."""
_MESSAGE_BYTES: Final = 64 * 1024 * 1024


class Writer:
    """One person's document over any number of connections, one at a time."""

    def __init__(self, client_id: int | None = None) -> None:
        self.doc: Doc[Text] = Doc() if client_id is None else Doc(client_id=client_id)
        self.text = self.doc.get("text", type=Text)
        self.close_code: int | None = None
        """Of the last connection, once it has ended."""
        self.close_reason = ""
        self.saved_marks: list[object] = []
        """The marks of edits that the server has acknowledged, over all connections."""
        self.events: list[dict[str, object]] = []
        self.synced = asyncio.Event()
        self._changed = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._sent: list[int] = []
        """For each sync message sent on this connection: how many edits it and those before it hold."""
        self._marks: list[object] = []
        self._up_to = 0
        self._outgoing: list[bytes] = []
        self._applying = False
        self._subscription = self.doc.observe(self._edited)

    # Editing

    def insert(self, index: int, text: str, mark: object = None) -> None:
        """Insert at a character index, and note `mark` for when it is saved. `flush` sends it."""
        self._marks.append(text if mark is None else mark)
        self.text.insert(len(str(self.text)[:index].encode()), text)

    def delete(self, index: int, count: int, mark: object = None) -> None:
        """Delete `count` characters from a character index."""
        self._marks.append(mark)
        content = str(self.text)
        start = len(content[:index].encode())
        del self.text[start : start + len(content[index : index + count].encode())]

    async def flush(self) -> None:
        """Send the edits made so far, one message each, if there is a connection; a reconnect brings them anyway."""
        outgoing, self._outgoing = self._outgoing, []
        if self._socket is None:
            return
        done = len(self._marks) - len(outgoing)
        with contextlib.suppress(ConnectionClosed):
            for at, update in enumerate(outgoing, 1):
                self._sent.append(done + at)
                await self._socket.send(update_frame(update))

    def _edited(self, event: object) -> None:
        if not self._applying:
            self._outgoing.append(event.update)  # type: ignore[attr-defined]

    # The connection

    async def connect(self, live: str, room: str, token: str) -> None:
        """Open a connection and wait until it is synced. Raises `OSError` or `ConnectionClosed` if that fails."""
        self.synced.clear()
        self.close_code = None
        self._sent = []
        self._up_to = 0
        self._outgoing = []  # the answer to the server's SyncStep1 has them all
        self._socket = await connect(
            f"{live}/api/v1/rooms/{quote(room, safe='')}/sync?token={quote(token, safe='')}",
            subprotocols=["dojo.v1"],  # type: ignore[list-item]
            compression=None,
            max_size=_MESSAGE_BYTES,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket), name="writer-reader")
        await self._socket.send(sync_step1({}) if not self._marks else b"\x00\x00" + _var_bytes(self.doc.get_state()))
        async with asyncio.timeout(SETTLE_SECONDS):
            await self.synced.wait()

    async def disconnect(self) -> None:
        """Close the connection, or clean up after one that was lost."""
        if self._socket is not None:
            await self._socket.close()
        await self.ended()

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        if self._reader is not None:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._reader
        self._socket = self._reader = None

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await socket.recv()
                if isinstance(frame, str):
                    self._control(msgspec.json.decode(frame, type=dict[str, object]))
                else:
                    await self._binary(socket, frame)
                async with self._changed:
                    self._changed.notify_all()
        self.close_code = socket.close_code
        self.close_reason = socket.close_reason or ""
        async with self._changed:
            self._changed.notify_all()

    async def _binary(self, socket: ClientConnection, frame: bytes) -> None:
        reader = Reader(frame)
        kind = reader.var_uint()
        if kind == AWARENESS:
            return
        assert kind == SYNC, frame[:20]
        step = reader.var_uint()
        body = reader.var_bytes()
        if step == STEP1:
            self._sent.append(len(self._marks))
            self._outgoing = []
            await socket.send(sync_step2(self.doc.get_update(body)))
            return
        assert step in (STEP2, UPDATE)
        self._applying = True
        try:
            self.doc.apply_update(body)
        finally:
            self._applying = False
        if step == STEP2:
            self.synced.set()

    def _control(self, message: dict[str, object]) -> None:
        self.events.append(message)
        if message["type"] == "saved":
            up_to = message["upTo"]
            assert isinstance(up_to, int)
            assert self._up_to <= up_to <= len(self._sent), f"saved {up_to} of {len(self._sent)} sent"
            self._up_to = up_to
            if up_to and (held := self._sent[up_to - 1]) > len(self.saved_marks):
                self.saved_marks = self._marks[:held]
        assert message["type"] != "reset", "an honest member was told to start over"

    # Waiting

    async def until(self, condition: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> None:
        """Wait until `condition()` holds; it is looked at after every frame."""
        assert self._reader is not None
        met = asyncio.create_task(self._met(condition), name="writer-until")
        try:
            await asyncio.wait({met, self._reader}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not met.done() and self._reader.done():
                self._reader.result()  # what made it end, if it was an error of its own
            assert condition(), (
                f"waited in vain; closed with {self.close_code} {self.close_reason!r}, last {self.events[-3:]}"
            )
        finally:
            met.cancel()
            await asyncio.wait({met})

    async def _met(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    async def has_text(self, text: str) -> None:
        """Wait until the document has exactly this text."""
        await self.until(lambda: self.content() == text)

    async def all_saved(self) -> None:
        """Wait until everything sent on this connection is acknowledged."""
        await self.until(lambda: bool(self._sent) and self._up_to == len(self._sent))

    def content(self) -> str:
        return str(self.text)


def _var_bytes(raw: bytes) -> bytes:
    assert len(raw) < 2**14
    head = bytes((len(raw),)) if len(raw) < 0x80 else bytes((0x80 | len(raw) & 0x7F, len(raw) >> 7))
    return head + raw
