"""Whose structs these are: ranges of clocks of each client id, and the user who wrote them.

Usually one client id is one person. The room's own document writes for many (`Room.compose`), hence ranges. What a
member brought that may be somebody else's (see `collab_core.authorship`) is *assumed* to be theirs, until somebody goes
on writing under that id: then all of it is that person's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from collab_core.wire.lib0 import Reader, WireError, write_var_uint

RANGES_PER_CLIENT: Final = 65_536
"""Only the room's own document gets there, after as many changes of who types through it. Past it the older half is
forgotten: 1 MiB in memory, and 300 KB packed, tell who typed the last hours of a hundred people who type at once."""
VERSION: Final = 1
_ASSUMED, _SHARED = 1, 2


class _Runs:
    """One client's ranges, sorted and disjoint, with gaps where nothing is known."""

    __slots__ = ("assumed", "ends", "shared", "starts", "users")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.users: list[UUID] = []
        self.assumed = False
        self.shared = False
        """Whether more than one user wrote under this id: then nobody goes on under it but the room itself."""

    def __iter__(self) -> Iterator[tuple[int, int, UUID]]:
        return zip(self.starts, self.ends, self.users, strict=True)

    def add(self, start: int, end: int, user: UUID) -> bool:
        """Give what of [start, end) is nobody's yet to `user`; whether there was any."""
        ends = self.ends
        if not ends or start >= ends[-1]:
            self._put(len(ends), start, end, user)
            return True
        added = False
        at = bisect_right(ends, start)
        while start < end:
            stop = min(end, self.starts[at]) if at < len(ends) else end
            if start < stop:
                at = self._put(at, start, stop, user)
                added = True
            if at >= len(ends):
                break
            start = max(start, ends[at])
            at += 1
        return added

    def _put(self, at: int, start: int, end: int, user: UUID) -> int:
        """Insert before index `at`, where it fits; the index of the range that follows."""
        if at and self.ends[at - 1] == start and self.users[at - 1] == user:
            self.ends[at - 1] = end
            return at
        self.starts.insert(at, start)
        self.ends.insert(at, end)
        self.users.insert(at, user)
        if len(self.starts) > RANGES_PER_CLIENT:
            gone = RANGES_PER_CLIENT // 2
            del self.starts[:gone], self.ends[:gone], self.users[:gone]
            return at + 1 - gone
        return at + 1


class Owners:
    """Who wrote what in one room. As large as the state vector, and the changes of composed edits' authors."""

    __slots__ = ("_runs", "sole")

    def __init__(self) -> None:
        self._runs: dict[int, _Runs] = {}
        self.sole: dict[int, UUID] = {}
        """Client ids that are known to be one person's. Looked into for each edit: a dictionary's look-up."""

    def __len__(self) -> int:
        return sum(len(runs.starts) for runs in self._runs.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Owners) and self.pack() == other.pack()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def user_of(self, client: int, clock: int) -> UUID | None:
        """Who wrote the struct at `clock` of `client`; `None` if that is not known (any more)."""
        runs = self._runs.get(client)
        if runs is None:
            return None
        at = bisect_right(runs.ends, clock)
        return runs.users[at] if at < len(runs.starts) and runs.starts[at] <= clock else None

    def ranges(self, client: int) -> list[tuple[int, int, UUID]]:
        """[start, end) and the user, of all that is known of `client`, in order."""
        return list(self._runs.get(client, ()))

    def knows(self, client: int) -> bool:
        """Whether `client` is somebody's, for sure or by assumption."""
        return client in self._runs

    def assumed(self, client: int) -> bool:
        """Whether `client` is only assumed to be somebody's."""
        runs = self._runs.get(client)
        return runs is not None and runs.assumed

    def add(self, client: int, start: int, end: int, user: UUID) -> None:
        """`user` wrote clocks [start, end) of `client`. Of what is known nothing changes, unless it was assumed: then
        all of it is this user's."""
        runs = self._runs.get(client)
        if runs is None:
            runs = self._runs[client] = _Runs()
            self.sole[client] = user
        elif runs.assumed:
            runs.assumed = False
            runs.users = [user] * len(runs.users)
            self.sole[client] = user
        elif runs.ends[-1] == start and runs.users[-1] == user:  # the common case: a person types on
            runs.ends[-1] = end
            return
        if runs.add(start, end, user) and not runs.shared and self.sole[client] != user:
            runs.shared = True
            del self.sole[client]

    def assume(self, client: int, start: int, end: int, bringer: UUID) -> None:
        """`bringer` brought clocks [start, end) of `client`, and did not necessarily write them: they are the owner's
        if the id has one, and otherwise taken for the first bringer's."""
        runs = self._runs.get(client)
        if runs is None:
            runs = self._runs[client] = _Runs()
            runs.assumed = True
        elif runs.shared:
            return  # which of them it was nobody knows
        else:
            bringer = runs.users[0]
        runs.add(start, end, bringer)

    def since(self, state: Mapping[int, int]) -> Owners:
        """What is known of clocks that a state vector does not reach."""
        later = Owners()
        for client, runs in self._runs.items():
            reached = state.get(client, 0)
            if runs.ends[-1] <= reached:
                continue
            kept = later._runs[client] = _Runs()
            kept.assumed, kept.shared = runs.assumed, runs.shared
            for start, end, user in runs:
                if end > reached:
                    kept.starts.append(max(start, reached))
                    kept.ends.append(end)
                    kept.users.append(user)
            if not kept.assumed and not kept.shared:
                later.sole[client] = kept.users[0]
        return later

    def absorb(self, others: Owners) -> None:
        """Learn what others know."""
        for client, runs in others._runs.items():
            note = self.assume if runs.assumed else self.add
            for start, end, user in runs:
                note(client, start, end, user)

    def pack(self) -> bytes:
        """As bytes: version, users, then each client by id: flags and ranges, all as varints of differences."""
        numbers: dict[UUID, int] = {}
        body = bytearray()
        write_var_uint(body, len(self._runs))
        last = 0
        for client in sorted(self._runs):
            runs = self._runs[client]
            write_var_uint(body, client - last)
            write_var_uint(body, runs.assumed * _ASSUMED | runs.shared * _SHARED)
            write_var_uint(body, len(runs.starts))
            last, at = client, 0
            for start, end, user in runs:
                write_var_uint(body, start - at)
                write_var_uint(body, end - start)
                write_var_uint(body, numbers.setdefault(user, len(numbers)))
                at = end
        head = bytearray((VERSION,))
        write_var_uint(head, len(numbers))
        return bytes(head) + b"".join(user.bytes for user in numbers) + bytes(body)

    @classmethod
    def unpack(cls, packed: bytes) -> Owners:
        """What `pack` wrote; `b""` is nobody's. Raises `ValueError` on anything else."""
        owners = cls()
        if not packed:
            return owners
        reader = Reader(packed)
        if (version := reader.byte()) != VERSION:
            raise ValueError(f"owners of version {version}; this program reads version {VERSION}")
        users = [UUID(bytes=reader.take(16)) for _ in range(reader.count(16))]
        client = 0
        for number in range(reader.count(6)):
            step = reader.var_uint()
            if number and not step:
                raise WireError("a client twice", reader.pos)
            client += step
            owners._read(client, reader, users)
        reader.finish()
        return owners

    def _read(self, client: int, reader: Reader, users: list[UUID]) -> None:
        runs = _Runs()
        flags = reader.var_uint()
        if flags not in (0, _ASSUMED, _SHARED):
            raise WireError("unknown flags", reader.pos)
        runs.assumed, runs.shared = bool(flags & _ASSUMED), bool(flags & _SHARED)
        at = 0
        count = reader.count(3)
        for _ in range(count):
            start = at + reader.var_uint()
            at = start + reader.var_uint()
            number = reader.var_uint()
            if at <= start or number >= len(users):
                raise WireError("an impossible range", reader.pos)
            runs.starts.append(start)
            runs.ends.append(at)
            runs.users.append(users[number])
        if not count or (not runs.shared and any(user != runs.users[0] for user in runs.users)):
            raise WireError("ranges that fit no owner", reader.pos)
        if count > RANGES_PER_CLIENT:
            raise WireError("too many ranges", reader.pos)
        self._runs[client] = runs
        if not runs.assumed and not runs.shared:
            self.sole[client] = runs.users[0]
