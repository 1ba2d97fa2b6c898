"""ICE servers: credentials for TURN that end by themselves, by the scheme of coturn's REST API.

The user name is the end of its validity and who it is for, the password a MAC of it with a secret that the TURN servers
have too (draft-uberti-behave-turn-rest-00). Nothing has to be stored or told to anybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec


class IceServer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of `RTCConfiguration.iceServers`, as it is."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceServers:
    """Makes credentials."""

    def __init__(
        self, urls: Sequence[str], secret: str | None, seconds: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`urls` of the TURN servers, which have `secret` too; `seconds`: how long a credential is good."""
        self._urls = list(urls)
        self._secret = secret
        self._seconds = seconds
        self._clock = clock

    def of(self, user: UUID) -> list[IceServer]:
        """What `user` may use from now on. Empty where there is no TURN: the SFU itself can be reached by everybody
        whose network lets UDP or TCP to it out."""
        if not self._urls or self._secret is None:
            return []
        username = f"{int(self._clock() + self._seconds)}:{user}"
        mac = hmac.new(self._secret.encode(), username.encode(), hashlib.sha1).digest()
        return [IceServer(self._urls, username, base64.b64encode(mac).decode())]
