"""One room on several voice processes: signalling towards each, with grants as the edge makes them."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import Final, Self

import aiohttp

from kernel.tokens.voice_grant import GRANT_SECONDS, ControlGrant, VoiceGrant, sign_control, sign_voice
from loadtests.voice import session_description
from loadtests.voice.client import Client, ConnectionFailed

SLOTS: Final = 3


class SpreadRoom:
    """An async context manager. Participant numbers are the dojo's, whatever process somebody is on."""

    def __init__(self, secret: bytes, *, slots: int = SLOTS) -> None:
        """`secret`: what grants are signed with."""
        self._secret = secret
        self._slots = slots
        self._tenant, self._dojo, self.room = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        self._numbers = itertools.count(1)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    def number(self) -> int:
        """Of somebody new."""
        return next(self._numbers)

    async def join(self, client: Client, control: str, number: int) -> int:
        """Connect `client` at the process whose internal HTTP is at `control`. The id of audio level. Raises
        `ConnectionFailed`, and what aiohttp raises where nobody listens."""
        assert self._http is not None
        offer = session_description.offer(client.own, sends=True, slots=self._slots)
        headers = {"Authorization": f"Bearer {self._grant(number)}", "Content-Type": "application/sdp"}
        async with self._http.post(f"{control}/v1/peers", data=offer.encode(), headers=headers) as response:
            if response.status != 201:
                raise ConnectionFailed(f"the voice process answered {response.status}: {await response.text()}")
            answer = session_description.read((await response.json())["answer"])
        await client.connect(answer)
        return answer.sections[0].level_id

    async def command(self, method: str, control: str, path: str, body: object = None) -> int:
        """What the edge commands this room at that process; the status."""
        assert self._http is not None
        now = int(time.time())
        grant = sign_control(self._secret, ControlGrant(room=self.room, iat=now, exp=now + GRANT_SECONDS))
        async with self._http.request(
            method, f"{control}/v1/rooms/{self.room}{path}", json=body, headers={"Authorization": f"Bearer {grant}"}
        ) as response:
            return response.status

    async def metrics(self, control: str) -> dict[str, float]:
        """The process' figures by name and labels."""
        assert self._http is not None
        async with self._http.get(f"{control}/metrics") as response:
            lines = [line for line in (await response.text()).splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def _grant(self, number: int) -> str:
        now = int(time.time())
        return sign_voice(
            self._secret,
            VoiceGrant(
                tenant=self._tenant, dojo=self._dojo, room=self.room, user=uuid.UUID(int=number), number=number,
                may_speak=True, muted=False, preferred=False, iat=now, exp=now + GRANT_SECONDS,
            ),
        )  # fmt: skip
