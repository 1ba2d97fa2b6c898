"""Dojos over HTTP put together: what the API process binds of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from redis.asyncio import Redis

from edge.dojos.bell import Bell
from edge.dojos.guest_access import GuestAccess
from edge.dojos.guests import Guests
from edge.dojos.ice_servers import IceServers
from edge.dojos.invitations import DojoInvitations
from edge.dojos.joining import Joining
from edge.dojos.lifecycle import Lifecycle
from edge.dojos.listing import Listing
from edge.dojos.live_addresses import LiveAddresses
from edge.dojos.looking_back import LookingBack
from edge.dojos.participants import Participants
from edge.dojos.rooms import Rooms
from edge.dojos.turns.copies import Copies
from edge.dojos.turns.routes import TurnRoutes
from kernel.buckets import Buckets
from kernel.http.operation import Operation
from kernel.secrets import MasterKeys
from kernel.tokens.authority import Authority
from kernel.tokens.keyring import KeyRing


class Routes(Protocol):
    """A part of the API."""

    def operations(self) -> Sequence[Operation]: ...


class Dojos:
    """All routes of dojos."""

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        *,
        buckets: Buckets,
        master: MasterKeys,
        keys: KeyRing,
        authority: Authority,
        base_url: str,
        addresses: LiveAddresses,
        ice: IceServers,
        changed: Callable[[UUID, Sequence[UUID]], None],
    ) -> None:
        """`pool` has connections of the services' role. `base_url` is the page's address, for links in mails. `changed`
        is called with rooms of a tenant that something changed about, once that is committed."""
        bell = Bell(redis, own=changed)
        self._routes: tuple[Routes, ...] = (
            Listing(),
            Lifecycle(bell),
            Joining(buckets, bell, addresses, ice),
            Guests(pool, buckets, keys, bell, addresses, ice=ice),
            GuestAccess(pool, authority, keys),
            Participants(bell),
            DojoInvitations(master, buckets, bell, base_url, addresses, ice=ice),
            Rooms(bell),
            TurnRoutes(bell, Copies(redis)),
            LookingBack(pool, bell=bell, buckets=buckets),
        )

    def operations(self) -> list[Operation]:
        """All of them."""
        return [operation for routes in self._routes for operation in routes.operations()]
