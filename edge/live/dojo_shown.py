"""What clients are told of the dojo as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from edge.dojos.states import Status


@dataclass(frozen=True, slots=True)
class DojoShown:
    """Its name, and whether it has begun."""

    name: str
    status: Status
