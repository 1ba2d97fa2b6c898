"""What the edge has to know to let people talk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class VoiceEdge:
    """With no `secret` nobody talks here."""

    secret: bytes | None = field(default=None, repr=False)
    """Shared with the SFUs: what grants are signed with."""
    control_url: str | None = None
    """Of the one SFU there is, while none has registered in Redis: `http://host:port`."""
    turn_urls: tuple[str, ...] = ()
    turn_secret: str | None = field(default=None, repr=False)
    """Shared with the TURN servers."""
    turn_seconds: float = 12 * 3600.0
    """How long TURN credentials are good: as a guest's token, so that nobody need ask again in the middle of a dojo."""


NO_VOICE: Final = VoiceEdge()
