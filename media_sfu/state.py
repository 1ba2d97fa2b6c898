"""What is told of a room's voice, as JSON: all of it now and then, and in between what changes while people talk."""

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
    recording_trouble: str | None
    """What is wrong with it, for a person."""
    spoken: dict[str, float]
    version: int
    """Of the people, but for who is speaking. No two states of one process have the same, unless their people are."""
    sfu: str = ""
    at: float = 0.0
    """Unix seconds."""


class RoomChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The same without the people, who are as in the `RoomState` with this `version`: of 800 some 300 bytes instead of
    120,000. `speaking`: their numbers. `spoken`: of those who have talked since that was told."""

    room: UUID
    version: int
    speaking: list[int]
    slots: list[int | None]
    own: dict[str, list[int | None]]
    recording: bool
    recording_trouble: str | None
    spoken: dict[str, float]
    sfu: str = ""
    at: float = 0.0
