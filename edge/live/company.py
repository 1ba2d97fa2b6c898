"""What nodes tell each other about who is connected to them: everyone of one room, each time.

The whole and not what changed: whatever was lost on the way is made up for by the next, and a node that hears nothing
for a while knows that it knows nothing. Sans-I/O: values in, bytes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.live.place import Standing

TELL_SECONDS: Final = 0.25
"""Shortest time between two tellings of one room: while a class of two hundred comes in, each is some 5 KiB."""
RENEW_SECONDS: Final = 5.0
"""It is told again, changed or not, if other nodes have the room open."""
SILENT_SECONDS: Final = 17.0
"""After so long without a word a node's people count as disconnected: three words were lost, or it is gone."""

_User = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Someone(msgspec.Struct, frozen=True, array_like=True):
    """A person with a connection to the node that tells it. `idle` is how many seconds ago they last did anything."""

    user: _User
    name: str
    standing: Standing
    guest: bool
    idle: float

    @property
    def id(self) -> UUID:
        """The user."""
        return UUID(bytes=self.user)


class Company(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Who is connected to a node. `asks`: it has just opened the room, and wants to know the others'."""

    asks: bool
    people: list[Someone]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Company)


class NotCompany(ValueError):
    """Not what `encode` writes; another version of this program may."""


def encode(people: Iterable[Someone], *, asks: bool) -> bytes:
    """The bytes of a telling."""
    return _encoder.encode(Company(asks, list(people)))


def decode(payload: bytes) -> Company:
    """A telling. Raises `NotCompany`."""
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise NotCompany(str(error)) from error
