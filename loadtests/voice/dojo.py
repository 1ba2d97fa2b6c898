"""Signalling towards Dojo's voice process: offers over its internal HTTP, with grants as the edge makes them."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import Final, Self

import aiohttp

from kernel.tokens.voice_grant import GRANT_SECONDS, VoiceGrant, sign_voice
from loadtests.voice import session_description
from loadtests.voice.client import Client, ConnectionFailed

SLOTS: Final = 3


class DojoRoom:
    """One room of a voice process. An async context manager."""

    name = "dojo"
    host: str | None = None
    setup = "actpass"
    red = True

    def __init__(self, control: str, secret: bytes, *, slots: int = SLOTS) -> None:
        """`control`: the URL of the process' internal HTTP; `secret`: what grants are signed with."""
        self._control = control
        self._secret = secret
        self._slots = slots
        self._tenant, self._dojo, self.room = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        self._numbers = itertools.count(1)
        self._http: aiohttp.ClientSession | None = None
        self.taken: dict[Client, int] = {}
        """The participant number of each client."""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(base_url=self._control)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    async def speak(self, client: Client) -> int:
        return await self._join(client)

    async def listen(self, client: Client) -> None:
        await self._join(client)

    async def admit(self, offer: str) -> tuple[int, str]:
        """Somebody new: their participant number, and the answer to `offer`. Raises `ConnectionFailed`."""
        assert self._http is not None
        number = next(self._numbers)
        headers = {"Authorization": f"Bearer {self._grant(number)}", "Content-Type": "application/sdp"}
        async with self._http.post("/v1/peers", data=offer.encode(), headers=headers) as response:
            if response.status != 201:
                raise ConnectionFailed(f"the voice process answered {response.status}: {await response.text()}")
            return number, (await response.json())["answer"]

    async def _join(self, client: Client) -> int:
        """Everybody offers what browsers offer: a microphone and all slots. Who listens only never speaks up."""
        number, text = await self.admit(session_description.offer(client.own, sends=True, slots=self._slots))
        answer = session_description.read(text)
        self.taken[client] = number
        await client.connect(answer)
        return answer.sections[0].level_id

    def _grant(self, number: int) -> str:
        now = int(time.time())
        return sign_voice(
            self._secret,
            VoiceGrant(
                tenant=self._tenant, dojo=self._dojo, room=self.room, user=uuid.uuid4(), number=number,
                may_speak=True, muted=False, preferred=False, iat=now, exp=now + GRANT_SECONDS,
            ),
        )  # fmt: skip
