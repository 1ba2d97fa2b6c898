"""The names the engine knows: which room, and whose. It knows no user table and no dojo."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID


class RoomKey(NamedTuple):
    """One room of one tenant. Rooms of two tenants with the same name are different rooms."""

    tenant: UUID
    room: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.room}"
