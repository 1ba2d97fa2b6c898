"""A real Yjs client for the load tests: a pycrdt document on a lean y-websocket connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from pycrdt import Doc, Text

from loadtests import dialect as messages
from loadtests.dialect import Dialect, PlainDialect
from loadtests.lib0 import Truncated, read_varbytes, read_varuint

OPEN_SECONDS = 10.0
"""TCP, upgrade and the server's answer to it."""
SYNC_SECONDS = 30.0
"""From an open connection to the complete SyncStep2, on a busy machine."""
CLOSE_SECONDS = 5.0
"""How long a server may take to answer a close frame."""
MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A first sync of the largest document a room may hold, twice over."""


def close_code(frame: WSFrame) -> int:
    """The code of a close frame, 0 if it has none."""
    # An enum member for the codes of the standard, a plain number for an application's own.
    code: object = frame.get_close_code()
    return code.value if isinstance(code, WSCloseCode) else int(str(code))


class Disconnected(Exception):
    """The server ended the connection, or it was lost: code and reason as the close frame gave them."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the connection was closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


async def leave(transport: WSTransport) -> None:
    """End a connection as a browser does: close frame, the server's answer to it, then the socket.

    A socket that goes away without that makes some servers fall over (y-websocket-server's process ends).
    """
    if transport.is_disconnected:
        return
    transport.send_close(WSCloseCode.OK)  # picows' own default is code 0, which is none
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await transport.wait_disconnected()
    except TimeoutError:
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()


class SyncClient(WSListener):
    """One document and its connection to one room. Not reconnecting: a load test must notice a lost connection.

    `doc` may hold content already; the server is told on connect (SyncStep1) and asks for what it lacks.
    """

    def __init__(self, doc: Doc[Text], *, room: str = "", dialect: Dialect | None = None) -> None:
        self.doc = doc
        self.synced = asyncio.Event()
        self.events: list[dict[str, object]] = []
        """The JSON text frames received, where the server sends any."""
        self._dialect = dialect or PlainDialect()
        self._room = room
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._failure: BaseException | None = None
        self._watches: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(
        cls,
        url: str,
        doc: Doc[Text] | None = None,
        *,
        room: str = "",
        dialect: Dialect | None = None,
        subprotocol: str | None = None,
    ) -> SyncClient:
        """Connect and wait until the server's SyncStep2 is in the document.

        Raises `Disconnected` if the server refuses, `TimeoutError` after `OPEN_SECONDS` or `SYNC_SECONDS`.
        """
        client = cls(doc if doc is not None else Doc(), room=room, dialect=dialect)
        headers = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await ws_connect(
                    lambda: client,
                    url,
                    extra_headers=headers,
                    max_frame_size=MAX_FRAME_BYTES,
                    websocket_handshake_timeout=OPEN_SECONDS,
                )
        except WSError as error:
            # Its text may quote the URL, and with it the token.
            raise Disconnected(0, type(error).__name__) from None
        await client.wait_until(client.synced.is_set, SYNC_SECONDS, "the first sync")
        return client

    def text(self, name: str) -> str:
        """The root text `name` of the document as it is now."""
        return str(self.doc.get(name, type=Text))

    def type(self, update: bytes) -> None:
        """Put an own update into the document and on the wire. Raises `Disconnected`."""
        self._check()
        self.doc.apply_update(update)
        self._send(messages.sync_update(update))

    async def writable(self) -> None:
        """Wait while the socket's buffer is full. Raises `Disconnected`."""
        await self._writable.wait()
        self._check()

    async def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until `condition`, looked at after every message, holds. Raises `TimeoutError` naming `what`,
        or `Disconnected`."""
        self._check()
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watch = (condition, future)
        self._watches.append(watch)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what}") from None
        finally:
            if watch in self._watches:
                self._watches.remove(watch)

    async def close(self) -> None:
        """Close the connection and wait until it is gone."""
        if self._transport is not None:
            await leave(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        for frame in self._dialect.greeting(self._room):
            transport.send(WSMsgType.BINARY, frame)
        self._send(messages.step_1(self.doc.get_state()))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        try:
            if frame.msg_type == WSMsgType.CLOSE:
                self._failure = Disconnected(close_code(frame), frame.get_close_reason() or "")
                transport.send_close(WSCloseCode.OK)
                transport.disconnect()
            elif frame.msg_type == WSMsgType.TEXT:
                self.events.append(msgspec.json.decode(frame.get_payload_as_bytes(), type=dict[str, object]))
            elif frame.msg_type in {WSMsgType.BINARY, WSMsgType.CONTINUATION}:
                self._fragments += frame.get_payload_as_bytes()
                if frame.fin:
                    whole = bytes(self._fragments)
                    self._fragments.clear()
                    self._receive(self._dialect.unwrap(whole))
        except (Truncated, msgspec.DecodeError, ValueError) as error:
            self._failure = error
            transport.disconnect()
        self._notify()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._failure is None:
            self._failure = Disconnected(1006, "connection lost")
        self._writable.set()
        self._notify()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _receive(self, message: bytes) -> None:
        if not message or message[0] != messages.SYNC:
            return  # presence is of no interest to a document
        kind, at = read_varuint(message, 1)
        body, _ = read_varbytes(message, at)
        if kind == messages.STEP_1:
            self._send(messages.step_2(self.doc.get_update(body)))
        else:
            self.doc.apply_update(body)
            if kind == messages.STEP_2:
                self.synced.set()

    def _send(self, message: bytes) -> None:
        assert self._transport is not None
        self._transport.send(WSMsgType.BINARY, self._dialect.wrap(self._room, message))

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _notify(self) -> None:
        for watch in list(self._watches):
            condition, future = watch
            if future.done():
                continue
            if self._failure is not None and not condition():
                future.set_exception(self._failure)
            elif condition():
                future.set_result(None)
