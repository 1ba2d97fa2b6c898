"""What is told of a room's voice, as JSON."""

from __future__ import annotations

from uuid import UUID

import msgspec


class PersonState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One participant. `muted`: by themselves or the host. `preferred`: heard first among the equally loud.
    `connected`: media can flow."""

    number: int
    user: UUID
    muted: bool
    may_speak: bool
    preferred: bool
    speaking: bool
    connected: bool


class RoomState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A room. `slots`: the participant numbers in the slots of most listeners, in the order of their receive sections;
    `own`: those of the listeners, by number, that have others, speakers above all. `spoken`: seconds by number, since
    that participant came in."""

    room: UUID
    dojo: UUID
    tenant: UUID
    people: list[PersonState]
    slots: list[int | None]
    own: dict[str, list[int | None]]
    recording: bool
    spoken: dict[str, float]
    sfu: str = ""
    at: float = 0.0
    """Unix seconds."""
