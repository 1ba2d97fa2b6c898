"""Signalling towards Janus' VideoRoom over its WebSocket: who speaks publishes, who listens subscribes to all of them
in one connection (multistream)."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect

from loadtests.voice import session_description
from loadtests.voice.client import Client, ConnectionFailed

ANSWER_SECONDS: Final = 20.0
_PLUGIN: Final = "janus.plugin.videoroom"


class JanusRoom:
    """One session with a room of its own. An async context manager."""

    name = "janus"
    setup = "active"  # offered a choice, Janus takes the client's part of DTLS for itself
    red = False  # its cheapest

    def __init__(self, url: str, host: str, room: int = 1) -> None:
        """`host`: the address that Janus offers and answers from."""
        self.host: str | None = host
        self._url = url
        self._feeds: list[int] = []
        self._room = room
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._session = 0
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, subprotocols=["janus-protocol"], max_size=None)  # type: ignore[list-item]
        self._reading = asyncio.create_task(self._read())
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]
        handle = await self._attach()
        await self._message(handle, {
            "request": "create", "room": self._room, "publishers": 1_000, "audiocodec": "opus", "opus_fec": True,
            "audiolevel_ext": True, "audiolevel_event": False, "transport_wide_cc_ext": False,
        })  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        assert self._reading is not None
        await self._socket.close()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def speak(self, client: Client) -> int:
        """Publish. Who subscribes from now on hears it."""
        handle = await self._attach()
        joined = await self._message(handle, {"request": "join", "ptype": "publisher", "room": self._room})
        offer = session_description.offer(client.own, sends=True, slots=0, red=False, nack=False)
        answered = await self._message(handle, {"request": "configure", "audio": True}, {"type": "offer", "sdp": offer})
        answer = session_description.read(answered["jsep"]["sdp"])
        await client.connect(answer)
        self._feeds.append(int(joined["plugindata"]["data"]["id"]))
        return answer.sections[0].level_id

    async def listen(self, client: Client) -> None:
        """Subscribe to all who speak already, on one connection."""
        handle = await self._attach()
        streams = [{"feed": feed} for feed in self._feeds]
        body = {"request": "join", "ptype": "subscriber", "room": self._room, "streams": streams}
        offered = session_description.read((await self._message(handle, body))["jsep"]["sdp"])
        answer = session_description.answer(client.own, offered)
        await self._message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
        await client.connect(offered)

    async def _attach(self) -> int:
        return int((await self._ask({"janus": "attach", "plugin": _PLUGIN}))["data"]["id"])

    async def _message(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        request = {"janus": "message", "handle_id": handle, "body": body}
        answer = await self._ask({**request, "jsep": jsep} if jsep else request)
        data = answer["plugindata"]["data"]
        if "error" in data:
            raise ConnectionFailed(f"Janus refused: {data['error']}")
        return answer

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None
        number = str(next(self._numbers))
        if self._session:
            request["session_id"] = self._session
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        await self._socket.send(json.dumps({**request, "transaction": number}))
        try:
            answer = await asyncio.wait_for(waiting, ANSWER_SECONDS)
        except TimeoutError as error:
            raise ConnectionFailed(f"Janus did not answer within {ANSWER_SECONDS:.0f} s") from error
        finally:
            del self._waiting[number]
        if answer["janus"] == "error":
            raise ConnectionFailed(f"Janus refused: {answer['error']['reason']}")
        return answer

    async def _read(self) -> None:
        assert self._socket is not None
        async for text in self._socket:
            message = json.loads(text)
            waiting = self._waiting.get(message.get("transaction", ""))
            if waiting is not None and not waiting.done() and message["janus"] != "ack":
                waiting.set_result(message)
