"""The real voice process, driven through its internal port as the edge does."""

from __future__ import annotations

import base64
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp

from dojo.process import Child, Program
from dojo.settings import Settings, VoiceSettings
from kernel.tokens.voice_grant import GRANT_SECONDS, ControlGrant, VoiceGrant, sign_control, sign_voice

PROGRAM: Final = Program("voice", (sys.executable, "-m", "dojo.voice_node"))
SECONDS: Final = aiohttp.ClientTimeout(total=10.0)


@dataclass(frozen=True)
class Admitted:
    """An answer: SDP to an offer, a fragment to a restart."""

    answer: str
    etag: str
    peer: str = ""


class VoiceServer:
    """One room of it at a time: `room` is where people are admitted."""

    def __init__(self, http: aiohttp.ClientSession, url: str, port: int, secret: bytes) -> None:
        self.port = port
        self.room = uuid4()
        self._tenant, self._dojo = uuid4(), uuid4()
        self._http, self._url, self._secret = http, url, secret

    def fresh_room(self) -> None:
        """With nobody in it."""
        self.room = uuid4()

    async def admit(self, number: int, offer: str) -> Admitted:
        said = await self._call("POST", "/v1/peers", self._voice(number), offer, {"Content-Type": "application/sdp"})
        return Admitted(said["answer"], said["etag"], said["peer"])

    async def restart(self, number: int, admitted: Admitted, fragment: str) -> Admitted:
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": f'"{admitted.etag}"'}
        said = await self._call("PATCH", f"/v1/peers/{admitted.peer}", self._voice(number), fragment, headers)
        return Admitted(said["answer"], said["etag"], admitted.peer)

    async def rights(self, number: int, *, muted: bool) -> None:
        await self._control("PUT", f"/people/{number}", {"maySpeak": True, "muted": muted, "preferred": False})

    async def mute_all(self, *, but: int) -> None:
        await self._control("PUT", "/mute", {"muted": True, "but": [but]})

    async def remove(self, number: int) -> None:
        await self._control("DELETE", f"/people/{number}")

    async def state(self) -> Any:
        return await self._control("GET", "")

    async def _control(self, method: str, path: str, body: object = None) -> Any:
        now = int(time.time())
        grant = sign_control(self._secret, ControlGrant(room=self.room, iat=now, exp=now + GRANT_SECONDS))
        return await self._call(method, f"/v1/rooms/{self.room}{path}", grant, body)

    def _voice(self, number: int) -> str:
        now = int(time.time())
        grant = VoiceGrant(
            tenant=self._tenant,
            dojo=self._dojo,
            room=self.room,
            user=UUID(int=number),
            number=number,
            may_speak=True,
            muted=False,
            preferred=False,
            iat=now,
            exp=now + GRANT_SECONDS,
        )
        return sign_voice(self._secret, grant)

    async def _call(
        self, method: str, path: str, grant: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        sent: dict[str, Any] = {"data": body} if isinstance(body, str) else {"json": body}
        heads = {"Authorization": f"Bearer {grant}", **(headers or {})}
        async with self._http.request(method, self._url + path, headers=heads, **sent) as response:
            text = await response.text()
            assert response.status < 300, f"{method} {path} answered {response.status}: {text}"
            return await response.json() if text else None


@asynccontextmanager
async def voice_server(folder: Path) -> AsyncIterator[VoiceServer]:
    """Started, without Redis; what it keeps is in `folder`."""
    secret = secrets.token_bytes(32)
    voice = VoiceSettings(port=0, secret=base64.b64encode(secret).decode())
    child = await Child.start(PROGRAM, Settings(data_dir=folder, voice=voice))
    try:
        async with aiohttp.ClientSession(timeout=SECONDS) as http:
            port = int(child.addresses["voice"].rpartition(":")[2])
            yield VoiceServer(http, child.addresses["voice control"], port, secret)
    finally:
        await child.stop()
