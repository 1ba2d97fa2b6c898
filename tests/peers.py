"""Real Yjs clients for tests: one Node process that hosts unmodified y-websocket providers, driven from Python.

Offsets and lengths are UTF-16 code units, as on the wire. A value that JSON cannot say is written as in
`tests/peers/values.mjs`: `{"$bytes": base64}`, `{"$bigint": "1"}`, `{"$type": "map", "content": {...}}`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import msgspec

from tests.node import NodeProcess

WAIT_SECONDS = 15.0
"""How long a condition may take unless the test says otherwise: long enough for a busy two-core machine."""
ANSWER_SECONDS = 30.0
"""How long a command may take to be answered; a wait has its own deadline on top."""
START_SECONDS = 20.0

RootKind = Literal["text", "map", "array", "xml"]
T = TypeVar("T")


class PeerError(Exception):
    """A command failed, a condition was not met in time, or the Node process ended. The text says which."""


class Close(msgspec.Struct, frozen=True):
    """One ended connection; code 0 when the client itself ended it. `at` is Unix time in milliseconds."""

    code: int
    reason: str
    at: float


class PeerState(msgspec.Struct, frozen=True, rename="camel"):
    """What a client holds and has seen, over all its connections. `received` and `sent` count frames by kind:
    step1, step2, update, awareness, queryAwareness, auth, unknown."""

    client_id: int
    state_vector: dict[int, int]
    delete_set: str
    """A hash; equal for equal delete sets."""
    pending: bool
    """Whether Yjs holds structs or deletions back for a missing dependency."""
    connected: bool
    synced: bool
    closes: list[Close]
    refused: int | None
    """The permanent close code after which the provider stopped for good."""
    opens: int
    received: dict[str, int]
    sent: dict[str, int]
    received_bytes: int
    sent_bytes: int
    last_received_at: float
    saved_clock: int
    """dojo.v1 only: the client's own clock known to be committed, over all connections."""
    all_saved: bool


class Presence(msgspec.Struct, frozen=True):
    """One client's awareness state as another client sees it."""

    client: int
    clock: int
    state: dict[str, Any] | None


class NodePeers:
    """The Node process. Use it as a context manager; leaving it ends the process and all its clients."""

    def __init__(self) -> None:
        self._node = NodeProcess("peer.mjs")
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._names = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self._node.start()
        self._reader = asyncio.create_task(self._read_answers(), name="node-peers-reader")
        await self._ask("faults", deadline=START_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reader is not None
        await self._node.end()
        await self._reader

    @property
    def pid(self) -> int:
        """The Node process, to measure it."""
        return self._node.process.pid

    def stderr(self) -> str:
        """The end of what Node wrote on standard error."""
        return self._node.stderr()

    async def faults(self) -> list[str]:
        """Errors thrown inside the stock provider's own handlers. A good server causes none."""
        return msgspec.convert(await self._ask("faults"), list[str])

    async def open(
        self,
        live: str,
        room: str,
        token: str | None = None,
        *,
        dojo_v1: bool = False,
        broadcast_channel: bool = False,
        client_id: int | None = None,
        presence: Mapping[str, Any] | None = None,
        garbage_collect: bool = True,
        connect: bool = True,
        origin: str | None = None,
        synced: bool = True,
        at: str | None = None,
    ) -> Peer:
        """Open a stock client on `room` of the server at `live` (`ws://host:port`) and wait until it is synced.

        `at` is the path of another socket than a room's.
        `dojo_v1` asks for that subprotocol; its text frames are kept from the provider and counted here.
        `broadcast_channel` makes clients of this process and room tabs of one browser (see `tests/peers/tab.mjs`).
        With `synced=False` or `connect=False` it returns at once."""
        name = f"peer-{next(self._names)}"
        options: dict[str, Any] = {
            "client": name,
            "url": live,
            "room": at if at is not None else f"api/v1/rooms/{quote(room, safe='')}/sync",
            "params": {} if token is None else {"token": token},
            "protocols": ["dojo.v1"] if dojo_v1 else [],
            "bc": broadcast_channel,
            "connect": connect,
            "gc": garbage_collect,
            "awareness": presence,
            "headers": {} if origin is None else {"Origin": origin},
        }
        if client_id is not None:
            options["clientID"] = client_id
        opened = await self._ask("open", **options)
        peer = Peer(self, name, int(opened["clientId"]))
        if synced and connect:
            await peer.wait_synced()
        return peer

    async def wait_equal(self, *peers: Peer, seconds: float = WAIT_SECONDS) -> None:
        """Wait until all hold the same document (state vector and delete set), with nothing pending."""
        await self.wait(peers, {"equal": True}, seconds)

    async def wait(self, peers: Sequence[Peer], until: Mapping[str, Any], seconds: float = WAIT_SECONDS) -> None:
        """Wait until all `peers` meet every condition of `until` (see `tests/peers/waits.mjs`)."""
        await self._ask(
            "wait",
            deadline=seconds + ANSWER_SECONDS,
            clients=[peer.name for peer in peers],
            until=until,
            timeoutMs=seconds * 1000,
        )

    async def _ask(self, op: str, *, deadline: float = ANSWER_SECONDS, **fields: Any) -> Any:
        if self._node.process.returncode is not None:
            raise PeerError(f"Node has ended with {self._node.process.returncode}\n{self.stderr()}")
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._node.stdin.write(json.dumps({"id": number, "op": op, **fields}).encode() + b"\n")
            async with asyncio.timeout(deadline):
                await self._node.stdin.drain()
                return await answer
        except TimeoutError:
            raise PeerError(f"no answer to {op} within {deadline} s\n{self.stderr()}") from None
        finally:
            self._waiting.pop(number, None)

    async def _read_answers(self) -> None:
        async for line in self._node.stdout:
            # Not msgspec's parser: it refuses half a surrogate pair, which JavaScript writes and reads.
            message = json.loads(line)
            future = self._waiting.get(message["id"])
            if future is None or future.done():
                continue
            if "error" in message:
                future.set_exception(PeerError(f"{message['error']}\n{self.stderr()}".rstrip()))
            else:
                future.set_result(message["result"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PeerError(f"Node has ended\n{self.stderr()}"))


class Peer:
    """One client: a `Y.Doc` with a stock `WebsocketProvider`. Made by `NodePeers.open`."""

    def __init__(self, peers: NodePeers, name: str, client_id: int) -> None:
        self._peers = peers
        self.name = name
        self.client_id = client_id

    async def _ask(self, op: str, **fields: Any) -> Any:
        return await self._peers._ask(op, client=self.name, **fields)

    # Content

    async def call(self, kind: RootKind, root: str, method: str, *args: Any, path: Sequence[str | int] = ()) -> Any:
        """Call a shared type's method, in a transaction of its own: `call("map", "m", "set", "key", 1)`."""
        operation = {"kind": kind, "root": root, "path": list(path), "method": method, "args": list(args)}
        return (await self.transact([operation]))[0]

    async def transact(self, operations: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Several calls `{kind, root, path?, method, args}` in one transaction: one update."""
        return msgspec.convert(await self._ask("transact", operations=operations), list[Any])

    async def insert(self, index: int, text: str, root: str = "text") -> None:
        await self.call("text", root, "insert", index, text)

    async def delete(self, index: int, length: int, root: str = "text") -> None:
        await self.call("text", root, "delete", index, length)

    async def type(self, index: int, text: str, root: str = "text") -> None:
        """Insert character by character, one update each, without a pause."""
        await self._ask("type", root=root, index=index, text=text)

    async def text(self, root: str = "text") -> str:
        return str(await self.call("text", root, "toString"))

    async def read(self, kind: RootKind, root: str) -> Any:
        """A root's content as plain values; XML as its string, a formatted text as its delta."""
        return await self._ask("read", kind=kind, root=root)

    async def start_undo(self, kind: RootKind = "text", root: str = "text") -> None:
        """Track this client's own edits from now on; every transaction is an undo step of its own."""
        await self._ask("undo", method="start", kind=kind, root=root)

    async def undo(self) -> bool:
        """Whether there was something to undo."""
        return bool(await self._ask("undo", method="undo"))

    async def redo(self) -> bool:
        return bool(await self._ask("undo", method="redo"))

    async def apply(self, update: bytes) -> None:
        """Apply an update to the document as if it came from this person; the provider sends it on."""
        await self._ask("apply", update=base64.b64encode(update).decode())

    async def encoded(self, against: bytes | None = None) -> bytes:
        """`Y.encodeStateAsUpdate`: the whole document, or what a document with state vector `against` lacks."""
        options = {} if against is None else {"against": base64.b64encode(against).decode()}
        return base64.b64decode(await self._ask("encoded", **options))

    async def fingerprint(self) -> str:
        """State vector and delete set; equal for equal documents."""
        return str(await self._ask("fingerprint"))

    # Presence

    async def relative_position(self, root: str, index: int) -> dict[str, Any]:
        """`Y.createRelativePositionFromTypeIndex`, as an editor puts it into presence."""
        return dict(await self._ask("relativePosition", root=root, index=index))

    async def index_of(self, position: Mapping[str, Any]) -> int | None:
        """Where a relative position out of somebody's presence stands in the text now."""
        found: int | None = await self._ask("indexOf", position=position)
        return found

    async def set_presence(self, state: Mapping[str, Any] | None) -> None:
        await self._ask("setPresence", state=state)

    async def presence(self) -> list[Presence]:
        """Everyone's presence as this client sees it, its own included."""
        return msgspec.convert(await self._ask("presence"), list[Presence])

    # The connection

    async def connect(self) -> None:
        await self._ask("connect")

    async def disconnect(self) -> None:
        """Leave properly, keeping the document; edits from now on are offline."""
        await self._ask("disconnect")

    async def drop(self) -> None:
        """Lose the connection as a network does; the provider reconnects by itself."""
        await self._ask("drop")

    async def close(self) -> None:
        """Destroy provider and document."""
        await self._ask("close")

    async def set_token(self, token: str) -> None:
        """The token of the next connection."""
        await self._ask("params", params={"token": token})

    async def send_raw(self, data: bytes) -> None:
        """A binary frame past the provider. Hostile clients are made of these."""
        await self._ask("sendRaw", data=base64.b64encode(data).decode())

    async def send_text(self, text: str) -> None:
        """A text frame past the provider."""
        await self._ask("sendText", text=text)

    async def state(self) -> PeerState:
        # JSON object keys are strings; strict=False lets client ids be numbers again.
        return msgspec.convert(await self._ask("state"), PeerState, strict=False)

    async def control(self) -> list[dict[str, Any]]:
        """The JSON text frames received (dojo.v1), oldest first."""
        return msgspec.convert(await self._ask("control"), list[dict[str, Any]])

    # Waiting

    async def wait(self, until: Mapping[str, Any], seconds: float = WAIT_SECONDS) -> None:
        await self._peers.wait([self], until, seconds)

    async def wait_text(self, text: str, root: str = "text", seconds: float = WAIT_SECONDS) -> None:
        await self.wait({"content": {"kind": "text", "root": root, "equals": text}}, seconds)

    async def wait_content(self, kind: RootKind, root: str, equals: Any, seconds: float = WAIT_SECONDS) -> None:
        await self.wait({"content": {"kind": kind, "root": root, "equals": equals}}, seconds)

    async def wait_synced(self, seconds: float = WAIT_SECONDS) -> None:
        await self.wait({"synced": True}, seconds)

    async def wait_disconnected(self, seconds: float = WAIT_SECONDS) -> None:
        await self.wait({"connected": False}, seconds)

    async def wait_closed(self, code: int | None = None, after: int = 0, seconds: float = WAIT_SECONDS) -> None:
        """Wait for a close with `code` (any, if None), not counting the first `after` closes."""
        await self.wait({"closed": {"code": code, "after": after}}, seconds)

    async def wait_refused(self, code: int, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the provider has stopped for good because of the permanent `code`."""
        await self.wait({"refused": code}, seconds)

    async def wait_presence(
        self, client_id: int, state: Mapping[str, Any] | None, seconds: float = WAIT_SECONDS
    ) -> None:
        """Wait until this client sees `client_id` with exactly `state`; None: not at all."""
        await self.wait({"presence": {"client": client_id, "state": state}}, seconds)

    async def wait_saved(self, seconds: float = WAIT_SECONDS) -> None:
        """dojo.v1: wait until everything sent on this connection is acknowledged as committed."""
        await self.wait({"allSaved": True}, seconds)
