"""Who is in a room and where their cursor is: the awareness protocol, merged for the whole room.

Nobody can set or remove another person's presence. A client id belongs to the user who first showed it; among
that user's connections the newest whose own it is carries it. Only a frame with a single entry can claim an
id: frames with several are the echoes that stock clients send of everything they receive. Clocks are the owners'
own and are never restamped; a removal uses the last clock, as y-protocols' `removeAwarenessStates` does.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass
from secrets import randbits
from typing import NamedTuple
from uuid import UUID

from collab_core.wire.awareness import EMPTY, REMOVED, PresenceEntry, count_of, decode, encode, encode_client
from collab_core.wire.lib0 import Reader

SERVER = UUID(int=0)
"""Who owns what the server shows on behalf of members without presence of their own: nobody signs in as this user, so
nobody can change it, remove it, or write edits under its client ids."""
FORGET_SECONDS = 60.0
"""How long a removed client id keeps its owner and clock: late echoes must not revive it, nor someone else own it."""


@dataclass(slots=True)
class _Presence:
    user: UUID
    member: int
    """The connection that carries it; 0 once it is removed."""
    clock: int
    state: bytes
    removed_at: float = 0.0
    origin: Hashable = None
    """The other node that it is connected to; `None` if it is this one."""


class Carried(NamedTuple):
    """One client id's presence as nodes tell each other."""

    client: int
    user: UUID
    clock: int
    state: bytes


class Presence:
    """The presence of one room. Members are numbers that rise with each connection: a higher one is newer."""

    def __init__(self, *, state_bytes: int, ids_per_member: int) -> None:
        self._known: dict[int, _Presence] = {}
        self._carried: dict[int, dict[int, bytes]] = {}  # member -> client id -> the id as it is encoded
        self._changed: set[int] = set()
        self._renewed: set[int] = set()
        self._gone_elsewhere: set[int] = set()
        """Ids connected here that another node said are gone: the next word of their owners is news."""
        self._shown: dict[int, int] = {}  # member -> the client id that the server shows it under
        self.said_here: list[Carried] = []
        """Of what `broadcast` or `heartbeat` gave last, what is connected to this node, or was."""
        self._state_bytes = state_bytes
        self._ids_per_member = ids_per_member

    @property
    def pending(self) -> bool:
        """Whether a broadcast would carry something."""
        return bool(self._changed)

    def receive(self, member: int, user: UUID, payload: bytes, now: float) -> bytes | None:
        """Take a member's awareness payload. Returns a payload for this member alone, if it must be told something.

        Echoes are turned away before they are decoded: a payload with several entries matters only if it holds
        an id that this member carries. Raises `WireError` on a payload that was looked at and is malformed.
        """
        carried = self._carried.get(member)
        count = count_of(payload)
        if count != 1 and not (carried and any(encoded in payload for encoded in carried.values())):
            return None
        if count == 1 and self._is_others(user, payload):
            return None
        answers = [
            answer
            for entry in decode(payload)
            if (count == 1 or (carried and entry.client in carried))
            and (answer := self._take(member, user, entry, now)) is not None
        ]
        return encode(answers) if answers else None

    def _is_others(self, user: UUID, payload: bytes) -> bool:
        reader = Reader(payload, 1)
        known = self._known.get(reader.var_uint())
        return known is not None and known.user != user

    def _take(self, member: int, user: UUID, entry: PresenceEntry, now: float) -> PresenceEntry | None:
        client, clock, state = entry
        if len(state) > self._state_bytes:
            return None
        known = self._known.get(client)
        if known is None:
            if state == REMOVED or len(self._carried.get(member, ())) >= self._ids_per_member:
                return None
            self._known[client] = _Presence(user, member, clock, state)
            self._carry(member, client)
            self._changed.add(client)
            # Others may have seen this clock before, on another node or before this room was opened, and forgotten
            # the state but not the clock. Told of its own removal, the owner raises it and all see it at once.
            return PresenceEntry(client, clock, REMOVED)
        carried = known.member not in {0, member} or known.origin is not None
        if known.user != user or (carried and not self._takes_over(known, member)):
            return None
        if known.state == REMOVED and state != REMOVED and clock <= known.clock:
            # Everyone has seen the removal at this clock and would refuse the state. Being told of its own
            # removal makes the owner raise its clock and send the state again, at once.
            return PresenceEntry(client, known.clock, REMOVED)
        if clock < known.clock or (clock == known.clock and (state != REMOVED or known.state == REMOVED)):
            if known.member != member and known.state != REMOVED and state == known.state:
                if known.origin is not None:
                    self._changed.add(client)  # the other nodes must hear where it is now
                self._move(known, client, member)  # the same tab on a newer connection, nothing else changed
            return None
        if known.member != member and len(self._carried.get(member, ())) >= self._ids_per_member:
            return None
        if state == REMOVED:
            self._drop(client, known)
            known.removed_at = now
        else:
            self._move(known, client, member)
        unchanged = state == known.state and client not in self._gone_elsewhere
        self._gone_elsewhere.discard(client)
        known.clock = clock
        known.state = state
        (self._renewed if unchanged and client not in self._changed else self._changed).add(client)
        return None

    def _takes_over(self, known: _Presence, member: int) -> bool:
        """Whether `member` is the same tab on a newer connection. What a connection shows first is its own; what it
        shows later of another live connection is an echo that came over BroadcastChannel."""
        return known.member < member and member not in self._carried

    def _carry(self, member: int, client: int) -> None:
        self._carried.setdefault(member, {})[client] = encode_client(client)

    def _drop(self, client: int, known: _Presence) -> None:
        carried = self._carried.get(known.member)
        if carried is not None:
            carried.pop(client, None)
            if not carried:
                del self._carried[known.member]
        known.member = 0

    def _move(self, known: _Presence, client: int, member: int) -> None:
        known.origin = None
        if known.member != member:
            self._drop(client, known)
            known.member = member
            self._carry(member, client)

    def leave(self, member: int, now: float) -> None:
        """A connection ended: what it still carries is removed, at its last clock."""
        self._shown.pop(member, None)
        for client in self._carried.pop(member, {}):
            known = self._known[client]
            known.member = 0
            known.state = REMOVED
            known.removed_at = now
            self._renewed.discard(client)
            self._changed.add(client)

    # Other nodes

    def here(self) -> list[Carried]:
        """All that are connected to this node."""
        return [
            Carried(client, known.user, known.clock, known.state)
            for client, known in self._known.items()
            if known.state != REMOVED and known.origin is None
        ]

    def elsewhere(self, origin: Hashable, people: Iterable[Carried], now: float) -> list[tuple[int, bytes]]:
        """Another node says who is connected to it, or no longer. Returns payloads for members of this one."""
        answers = []
        for client, user, clock, state in people:
            known = self._known.get(client)
            if known is None:
                if state != REMOVED:
                    self._known[client] = _Presence(user, 0, clock, state, origin=origin)
                    self._changed.add(client)
            elif known.user != user or clock < known.clock:
                continue  # an id belongs to whoever showed it first; an older word is none
            elif known.member and state == REMOVED:
                # Its former connection ended there. All who hear that take it for gone, until its clock is higher.
                self._gone_elsewhere.add(client)
                answers.append((known.member, encode([PresenceEntry(client, clock, REMOVED)])))
            elif clock > known.clock or (known.origin == origin and state != known.state):
                self._settle(client, known, Carried(client, user, clock, state), origin, now)
        return answers

    def _settle(self, client: int, known: _Presence, told: Carried, origin: Hashable, now: float) -> None:
        self._drop(client, known)
        unchanged = told.state == known.state
        known.clock, known.state, known.origin = told.clock, told.state, origin
        if told.state == REMOVED:
            known.removed_at = now
        (self._renewed if unchanged and client not in self._changed else self._changed).add(client)

    def nowhere(self, origin: Hashable, now: float) -> None:
        """That node is gone, or has closed the room."""
        for client, known in self._known.items():
            if known.origin == origin and known.state != REMOVED:
                known.state = REMOVED
                known.removed_at = now
                self._renewed.discard(client)
                self._changed.add(client)

    def show(self, member: int, state: bytes, taken: Container[int]) -> None:
        """Show a JSON state on behalf of a member that has no presence of its own, until it leaves, under a client id
        that is none of `taken`. One that is too large is not shown."""
        if len(state) > self._state_bytes:
            return
        client = self._shown.get(member)
        if client is None:
            client = self._shown[member] = self._free_id(taken)
            self._known[client] = _Presence(SERVER, member, 0, state)
            self._carry(member, client)
        known = self._known[client]
        if known.clock and known.state == state:
            return
        known.clock += 1
        known.state = state
        self._changed.add(client)

    def _free_id(self, taken: Container[int]) -> int:
        while (client := randbits(32)) in self._known or client in taken:
            pass
        return client

    def broadcast(self) -> bytes:
        """What changed since the last broadcast, as one payload for everyone."""
        return self._merged(self._changed)

    def heartbeat(self, now: float) -> bytes:
        """What was renewed since the last heartbeat, and all that the server shows itself, as one payload for everyone,
        owners included; `EMPTY` if there is nothing. Forgets ids that were removed long ago."""
        for client in self._shown.values():
            self._known[client].clock += 1
            self._renewed.add(client)
        for client, known in list(self._known.items()):
            if known.state == REMOVED and now - known.removed_at > FORGET_SECONDS and client not in self._changed:
                del self._known[client]
                self._gone_elsewhere.discard(client)
        return self._merged(self._renewed)

    def everyone(self) -> bytes:
        """All that are here, for a newcomer."""
        return encode(
            [PresenceEntry(client, k.clock, k.state) for client, k in self._known.items() if k.state != REMOVED]
        )

    def catch_up(self) -> bytes:
        """All that are here and all that left lately, for a member that may have missed either."""
        return encode([PresenceEntry(client, k.clock, k.state) for client, k in self._known.items()])

    def user_of(self, client: int) -> UUID | None:
        """Who showed a client id first, if it is here or left lately."""
        known = self._known.get(client)
        return known.user if known is not None else None

    def states(self) -> dict[int, tuple[UUID, bytes]]:
        """Client id -> (user, JSON state) of all that are here."""
        return {client: (k.user, k.state) for client, k in self._known.items() if k.state != REMOVED}

    def shown_elsewhere(self) -> dict[int, bytes]:
        """Client id -> JSON state of all that other nodes show on behalf of members without presence: as trustworthy as
        what this one shows."""
        return {
            client: k.state
            for client, k in self._known.items()
            if k.user == SERVER and k.origin is not None and k.state != REMOVED
        }

    def _merged(self, clients: set[int]) -> bytes:
        self.said_here = []
        if not clients:
            return EMPTY
        known = self._known
        sent = list(clients)
        self.said_here = [
            Carried(client, known[client].user, known[client].clock, known[client].state)
            for client in sent
            if known[client].origin is None
        ]
        payload = encode([PresenceEntry(client, known[client].clock, known[client].state) for client in sent])
        self._changed.difference_update(sent)
        self._renewed.difference_update(sent)
        return payload
