"""Where synthetic clients meet: what differs between the servers they talk to."""

from __future__ import annotations

from typing import Protocol

from loadtests.voice.client import Client


class Venue(Protocol):
    """One room of a server."""

    name: str
    host: str | None
    """The one address clients must use, if the server takes no other."""
    setup: str
    """What clients say of DTLS roles in what they offer."""
    red: bool
    """Whether speakers may send RED."""

    async def speak(self, client: Client) -> int:
        """Join as one who speaks, and hears as well where the server lets both be one connection. The id that audio
        level was agreed upon, 0 if it was not. Raises `ConnectionFailed`."""

    async def listen(self, client: Client) -> None:
        """Join as one who hears. Raises `ConnectionFailed`."""
