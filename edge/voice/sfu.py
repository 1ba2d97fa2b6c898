"""The voice SFU as the edge meets it: its internal HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import aiohttp
import msgspec

from edge.voice.rights import Rights
from edge.voice.state import NotState, VoiceState, decode
from kernel.http.problem import Problem, busy, not_found
from kernel.tokens.voice_grant import GRANT_SECONDS, ControlGrant, VoiceGrant, sign_control, sign_voice

CONNECT_SECONDS: Final = 0.5
"""It is near, or it is not there."""
OFFER_SECONDS: Final = 5.0
"""For an offer's answer. Fifty at once are paced to take a second or two."""
PUSH_SECONDS: Final = 0.8
"""For everything else: what is taken away ends within a second."""
CONNECTIONS: Final = 64
"""To all SFUs; more requests wait."""
ANSWER_BYTES: Final = 1024 * 1024
"""Most that is read of an answer: the state of a thousand people has some 150 KiB."""
REFUSAL_CHARACTERS: Final = 300
SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"


class SfuAway(Exception):
    """The SFU does not answer, or not as it should."""


class SfuFull(Exception):
    """The SFU takes nobody more, or nobody more into this room."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as grants name them, in the room they are to be in."""

    tenant: UUID
    dojo: UUID
    room: UUID
    user: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that the SFU has made ready."""

    peer: UUID
    answer: str
    etag: str
    """Without quotes."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """An ICE restart, answered."""

    answer: str
    """An SDP fragment (RFC 8840)."""
    etag: str


class _Opened(msgspec.Struct):
    peer: UUID
    answer: str
    etag: str


class _Restarted(msgspec.Struct):
    answer: str
    etag: str


class _Refusal(msgspec.Struct):
    error: str = ""


class Sfu:
    """Speaks to SFUs by their base URL. `close` it."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close what is open to them."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # What one participant asks. Raises `Problem` for what is theirs, `SfuAway`.

    async def open(self, url: str, person: Person, rights: Rights, offer: str) -> Opened:
        """Answer an offer. Raises `SfuFull`, too."""
        status, body, headers = await self._ask(
            "POST",
            f"{url}/v1/peers",
            self._voice(person, rights),
            OFFER_SECONDS,
            data=offer.encode(),
            headers={"Content-Type": SDP},
        )
        match status:
            case 201:
                opened = _read(body, _Opened)
                return Opened(opened.peer, opened.answer, opened.etag)
            case 400:
                raise Problem(400, "offer_refused", _said(body) or "this offer cannot be answered")
            case 429:
                raise Problem(
                    429,
                    "too_many_requests",
                    "too many of your connections have not come about yet; wait and try again",
                    {"Retry-After": headers.get("Retry-After", "5")},
                )
            case 503:
                raise SfuFull(_said(body))
        raise _unexpected(status)

    async def patch(
        self, url: str, peer: UUID, person: Person, rights: Rights, *, fragment: str, etag: str
    ) -> Restarted | None:
        """Candidates, answered with None, or an ICE restart. `etag` is without quotes, or `*`."""
        status, body, _ = await self._ask(
            "PATCH",
            f"{url}/v1/peers/{peer}",
            self._voice(person, rights),
            PUSH_SECONDS,
            data=fragment.encode(),
            headers={"Content-Type": FRAGMENT, "If-Match": etag if etag == "*" else f'"{etag}"'},
        )
        match status:
            case 204:
                return None
            case 200:
                restarted = _read(body, _Restarted)
                return Restarted(restarted.answer, restarted.etag)
            case 400:
                raise Problem(400, "fragment_refused", _said(body) or "this fragment cannot be read")
            case 403 | 404:
                raise not_found()
            case 412:
                raise Problem(412, "stale_etag", "the ICE session is another by now; use the ETag that was told last")
        raise _unexpected(status)

    async def close_peer(self, url: str, peer: UUID, person: Person, rights: Rights) -> None:
        """End a connection."""
        status, _, _ = await self._ask("DELETE", f"{url}/v1/peers/{peer}", self._voice(person, rights), PUSH_SECONDS)
        if status in (403, 404):
            raise not_found()
        if status >= 300:
            raise _unexpected(status)

    # What the edge asks. Raises `SfuAway`.

    async def state(self, url: str, room: UUID) -> VoiceState | None:
        """Of a room; None if it has no such room."""
        status, body, _ = await self._ask("GET", f"{url}/v1/rooms/{room}", self._control(room), PUSH_SECONDS)
        if status == 404:
            return None
        if status != 200:
            raise _unexpected(status)
        try:
            return decode(body)
        except NotState as error:
            raise SfuAway(f"what the SFU says of a room cannot be read: {error}") from None

    async def put(self, url: str, room: UUID, number: int, rights: Rights, *, to: UUID | None = None) -> bool:
        """What somebody in `room` may do from now on, in the room `to` if it is given; whether they are in."""
        return await self._control_person(
            "PUT",
            f"{url}/v1/rooms/{room}/people/{number}",
            room,
            {
                "maySpeak": rights.may_speak,
                "muted": rights.muted,
                "preferred": rights.preferred,
                "room": None if to is None else str(to),
                "number": None,
            },
        )

    async def remove(self, url: str, room: UUID, number: int) -> bool:
        """Send somebody out of `room`, at once; whether they were in."""
        return await self._control_person("DELETE", f"{url}/v1/rooms/{room}/people/{number}", room, None)

    async def mute(self, url: str, room: UUID, but: Collection[int]) -> bool:
        """Mute everybody in `room` but some; whether there is such a room."""
        return await self._control_person(
            "PUT", f"{url}/v1/rooms/{room}/mute", room, {"muted": True, "but": sorted(but)}
        )

    async def record(self, url: str, room: UUID, prefix: str | None) -> bool:
        """Record `room` under `prefix`, or no longer; whether there is such a room."""
        return await self._control_person(
            "PUT", f"{url}/v1/rooms/{room}/recording", room, {"on": prefix is not None, "prefix": prefix or ""}
        )

    async def _control_person(self, method: str, url: str, room: UUID, body: Any) -> bool:
        more: dict[str, Any] = {}
        if body is not None:
            more = {"data": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}
        status, _, _ = await self._ask(method, url, self._control(room), PUSH_SECONDS, **more)
        if status == 404:
            return False
        if status >= 300:
            raise _unexpected(status)
        return True

    async def _ask(
        self,
        method: str,
        url: str,
        grant: str,
        seconds: float,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers={"Authorization": f"Bearer {grant}", **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
                allow_redirects=False,
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        raise SfuAway("the SFU answers without an end")
                return answer.status, bytes(body), answer.headers
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError too
            raise SfuAway(f"the SFU does not answer: {type(error).__name__}") from None

    def _voice(self, person: Person, rights: Rights) -> str:
        now = int(self._clock())
        return sign_voice(
            self._secret, VoiceGrant(**asdict(person), **asdict(rights), iat=now, exp=now + GRANT_SECONDS)
        )

    def _control(self, room: UUID) -> str:
        now = int(self._clock())
        return sign_control(self._secret, ControlGrant(room=room, iat=now, exp=now + GRANT_SECONDS))


def away() -> Problem:
    """503: voice is not to be had at the moment, and all else is."""
    return busy("voice_unavailable", "voice is not to be had at the moment; try again", 2)


def _unexpected(status: int) -> SfuAway:
    return SfuAway(f"the SFU answers {status}")


def _said(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error[:REFUSAL_CHARACTERS]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _read(body: bytes, type_: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SfuAway("what the SFU answers cannot be read") from None
