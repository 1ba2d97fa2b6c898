"""A place: what one connection is in one room of a dojo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from collab_core.admission import Admission


class Standing(StrEnum):
    """What somebody is in the whole dojo, whoever pilots."""

    HOST = "HOST"
    PARTICIPANT = "PARTICIPANT"
    OBSERVER = "OBSERVER"


@dataclass(frozen=True, slots=True)
class Place:
    """One connection's place in one room of a dojo."""

    dojo: UUID
    room: UUID
    granted: Standing
    """What the person is in the dojo."""
    watches: bool
    """Whether this connection only wants to look on."""
    guest: bool
    """Whether it is nobody's account: a name, for this dojo only."""
    may_edit: bool
    """Whether the tenant lets this person write at all."""
    admin: bool = False
    """Whether it is an administrator of the tenant, who may do what hosts may."""
    since: str = ""
    """The last chat message this client has, as it says."""
    entered_at: datetime | None = None
    """When it was let in, by the database's clock."""

    @property
    def standing(self) -> Standing:
        """What the person is on this connection."""
        return Standing.OBSERVER if self.watches else self.granted

    @property
    def leads(self) -> bool:
        """Whether this person says whose turn it is."""
        return self.admin or self.granted is Standing.HOST

    def ended_by(self, left_at: datetime | None) -> bool:
        """Whether the person left at `left_at` what this connection came into."""
        return left_at is not None and self.entered_at is not None and self.entered_at <= left_at

    @property
    def can_write(self) -> bool:
        """Whether its edits may ever be taken."""
        return self.may_edit and self.standing is not Standing.OBSERVER


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatedAdmission(Admission):
    """An admission to a dojo's room."""

    place: Place
