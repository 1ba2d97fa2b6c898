"""A client that speaks a live server's frames byte by byte.

It builds and reads Yjs messages with pycrdt, frames them itself, and can do what no library lets one do: stop
reading, fragment, announce a length it never sends.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from pycrdt import Doc, Text, TransactionEvent, create_sync_message, create_update_message, handle_sync_message

DEADLINE_SECONDS = 10.0
"""For anything that should happen: far longer than it takes, so that a busy machine fails no test."""

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
STEP1, STEP2, UPDATE = b"\x00\x00", b"\x00\x01", b"\x00\x02"
AWARENESS = b"\x01"
NOBODY = b"\x01\x01\x00"
"""An awareness message without entries."""


class Frame(NamedTuple):
    opcode: int
    payload: bytes


class Closed(NamedTuple):
    """How the server ended the connection: the close frame's code and reason, 0 if there was none."""

    code: int
    reason: str


def masked(opcode: int, payload: bytes, *, final: bool = True, announced: int | None = None) -> bytes:
    """A client's frame. `announced` overrides the length its header tells."""
    length = len(payload) if announced is None else announced
    first = (0x80 if final else 0) | opcode
    if length < 126:
        header = struct.pack("!BB", first, 0x80 | length)
    elif length < 65536:
        header = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, length)
    mask = os.urandom(4)
    keys = (mask * (len(payload) // 4 + 1))[: len(payload)]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(payload), "big")
    return header + mask + body


class Client:
    """One WebSocket, and a document on it that does what a stock client does: answers every SyncStep1, applies
    what arrives, sends what is typed. Everything received is kept in order."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.doc: Doc[Text] = Doc()
        self.answers = True
        """Whether it answers SyncStep1 at once."""
        self.head = b""
        """The response to the upgrade."""
        self.frames: list[Frame] = []
        self.sent = 0
        """SyncStep2 and Update messages sent, as `saved` counts them."""
        self.closed: Closed | None = None
        self.hung_up = False
        """Whether the server has ended the TCP connection."""
        self._text = self.doc.get("t", type=Text)
        self._local: list[bytes] | None = None
        self._subscription = self.doc.observe(self._transaction)
        self._buffer = bytearray()
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    # The socket

    @classmethod
    async def connect(cls, port: int, receive_buffer: int | None = None) -> Self:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(sock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    async def upgrade(self, target: str, *, subprotocol: str | None = None) -> None:
        """Ask for the WebSocket and read the response's head."""
        lines = [
            f"GET {target} HTTP/1.1",
            "Host: live",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        if subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        await self.send_raw("\r\n".join([*lines, "", ""]).encode())
        await self.upgraded()

    async def upgraded(self) -> None:
        """Read the response's head."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while b"\r\n\r\n" not in self._buffer:
                chunk = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
                if not chunk:
                    raise ConnectionError(f"the server hung up on the upgrade: {bytes(self._buffer)!r}")
                self._buffer += chunk
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self.head = head
        self._buffer[:] = rest
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def everything(self) -> bytes:
        """All bytes until the server ends the connection: the answer to a request that is no upgrade."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while chunk := await asyncio.get_running_loop().sock_recv(self.socket, 65536):
                self._buffer += chunk
        return bytes(self._buffer)

    async def end(self) -> None:
        """Drop the socket, without a word."""
        await self.stop_reading()
        self.socket.close()

    def read(self) -> None:
        """Begin to read, or go on."""
        assert self._reading is None
        self._reading = asyncio.get_running_loop().create_task(self._read_frames())

    async def stop_reading(self) -> None:
        """Let the socket fill up."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait([reading])

    async def send_raw(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def send(self, payload: bytes, opcode: int = BINARY) -> None:
        await self.send_raw(masked(opcode, payload))

    async def tell(self, message: object) -> None:
        """A JSON text frame."""
        await self.send(msgspec.json.encode(message), TEXT)

    def send_now(self, payload: bytes) -> None:
        """Hand a small binary message to the kernel before the event loop does anything else."""
        data = masked(BINARY, payload)
        assert self.socket.send(data) == len(data)

    async def _read_frames(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                for frame in self._parse():
                    await self._take(frame)
                chunk = await loop.sock_recv(self.socket, 65536)
                if not chunk:
                    break
                self._buffer += chunk
        except ConnectionError:
            pass
        if self.closed is None:
            self.closed = Closed(0, "")
        self.hung_up = True
        self._news.set()

    def _parse(self) -> Iterator[Frame]:
        while len(self._buffer) >= 2:
            first, length = self._buffer[0], self._buffer[1]
            assert first & 0xF0 == 0x80, "the server sends whole frames without extensions"
            assert length < 128, "the server does not mask"
            at = 2
            if length >= 126:
                at = 4 if length == 126 else 10
                if len(self._buffer) < at:
                    return
                length = int.from_bytes(self._buffer[2:at], "big")
            if len(self._buffer) < at + length:
                return
            payload = bytes(self._buffer[at : at + length])
            del self._buffer[: at + length]
            yield Frame(first & 0x0F, payload)

    async def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.opcode == CLOSE:
            self.closed = Closed(int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode())
            await self.send(frame.payload[:2], CLOSE)
        elif frame.opcode == PING:
            if self.answers:
                await self.send(frame.payload, PONG)
        elif frame.opcode == BINARY and frame.payload[0] == 0:
            if frame.payload[:2] != STEP1:
                handle_sync_message(frame.payload[1:], self.doc)
            elif self.answers:
                await self.answer(frame.payload)
        self._news.set()

    # The protocol

    async def sync(self) -> None:
        """Send SyncStep1, and wait for the SyncStep2 that answers it."""
        before = len(self.step2s)
        await self.ask()
        await self.until(lambda: len(self.step2s) > before)

    async def ask(self) -> None:
        """Send SyncStep1."""
        await self.send(create_sync_message(self.doc))

    async def answer(self, question: bytes) -> None:
        """Send the SyncStep2 that a SyncStep1 asks for."""
        answer = handle_sync_message(question[1:], self.doc)
        assert answer is not None
        self.sent += 1
        await self.send(answer)

    async def update(self, update: bytes) -> None:
        """Send an Update message."""
        self.sent += 1
        await self.send(create_update_message(update))

    async def pass_on(self, update: bytes) -> None:
        """Take somebody's update, got on another way, and bring it as a client does that syncs: in a SyncStep2."""
        self.doc.apply_update(update)
        await self.bring(update)

    async def bring(self, update: bytes) -> None:
        """Send a SyncStep2 message."""
        self.sent += 1
        await self.send(STEP2 + varint(len(update)) + update)

    def edit(self, text: str, at: int | None = None) -> bytes:
        """Type into the own document and return the update, unsent. Without `at` at its end."""
        self._local = []
        if at is None:
            self._text += text
        else:
            self._text.insert(at, text)
        [update] = self._local
        self._local = None
        return update

    def cut(self, start: int, end: int) -> bytes:
        """Delete in the own document and return the update, unsent."""
        self._local = []
        del self._text[start:end]
        [update] = self._local
        self._local = None
        return update

    async def type(self, text: str, at: int | None = None) -> None:
        """Type and send."""
        await self.update(self.edit(text, at))

    def start_over(self) -> None:
        """A new, empty document with a new client id on the same connection, as `reset` asks for."""
        self.carry(Doc())

    def carry(self, doc: Doc[Text]) -> None:
        """Go on with another document, as a tab does that reconnects."""
        self.doc.unobserve(self._subscription)
        self.doc = doc
        self._text = self.doc.get("t", type=Text)
        self._subscription = self.doc.observe(self._transaction)
        self.sent = 0

    def _transaction(self, event: TransactionEvent) -> None:
        if self._local is not None:
            self._local.append(event.update)

    # What came

    @property
    def text(self) -> str:
        """The own document's text."""
        return str(self._text)

    def _starting(self, prefix: bytes) -> list[bytes]:
        return [frame.payload for frame in self.frames if frame.opcode == BINARY and frame.payload.startswith(prefix)]

    @property
    def step1s(self) -> list[bytes]:
        return self._starting(STEP1)

    @property
    def step2s(self) -> list[bytes]:
        return self._starting(STEP2)

    @property
    def updates(self) -> list[bytes]:
        return self._starting(UPDATE)

    @property
    def awareness(self) -> list[bytes]:
        return self._starting(AWARENESS)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The JSON messages."""
        return [msgspec.json.decode(frame.payload) for frame in self.frames if frame.opcode == TEXT]

    def told_of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message["type"] == kind]

    @property
    def saved(self) -> int:
        """The last `upTo`; 0 before the first."""
        told = self.told_of("saved")
        return int(told[-1]["upTo"]) if told else 0

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what was received makes `condition` true."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s; closed: {self.closed}; told: {self.told}") from None

    async def until_text(self, text: str) -> None:
        await self.until(lambda: self.text == text)

    async def until_closed(self) -> Closed:
        """How the server ended this connection."""
        await self.until(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    async def until_hung_up(self) -> None:
        """The server has ended the TCP connection too: only then does a browser tell its page."""
        await self.until(lambda: self.hung_up)

    async def until_heard(self) -> None:
        """The server has taken everything sent before this: messages are taken in order, and so is a ping."""
        marker = os.urandom(8)
        await self.send(marker, PING)
        await self.until(lambda: Frame(PONG, marker) in self.frames)


def big_text(length: int) -> str:
    """Text that neither repeats nor compresses."""
    return base64.b64encode(os.urandom(length)).decode()[:length]


def varint(value: int) -> bytes:
    """An unsigned integer as lib0 writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes((*out, value))


def presence(client: int, clock: int = 1, state: bytes = b"{}") -> bytes:
    """An awareness message with one entry."""
    entry = b"\x01" + varint(client) + varint(clock) + varint(len(state)) + state
    return AWARENESS + varint(len(entry)) + entry


def deletion(client: int, start: int, length: int) -> bytes:
    """An update that deletes one range."""
    return b"\x00\x01" + varint(client) + b"\x01" + varint(start) + varint(length)


async def settled(client: Client) -> None:
    """Wait until the server would have sent anything it is going to send for what `client` sent: two flushes'
    worth of event-loop passes, made of round trips."""
    for _ in range(3):
        await client.until_heard()
