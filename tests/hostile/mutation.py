"""Seeded hostile updates: bytes of real updates changed at random, and well-formed structs that point anywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

from tests.hostile import forge

_INTERESTING = (0, 1, 2, 0x0F, 0x1F, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xFF)
_ROOTS = ("text", "map", "array", "xml", "other", "")


def mutate(random: Random, update: bytes, pool: Sequence[bytes]) -> bytes:
    """A few random changes of bytes; now and then two updates spliced."""
    data = bytearray(update)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if not data:
            data += b"\x00"
        at = random.randrange(len(data))
        change = random.randrange(7)
        if change == 0:
            data[at] ^= 1 << random.randrange(8)
        elif change == 1:
            data[at] = random.choice(_INTERESTING)
        elif change == 2:
            data[at] = (data[at] + random.choice((-1, 1))) % 256
        elif change == 3:
            data.insert(at, random.randrange(256))
        elif change == 4:
            del data[at : at + random.choice((1, 1, 2, 5))]
        elif change == 5:
            data[at:at] = data[at : at + random.randrange(1, 20)]
        else:
            other = random.choice(pool)
            data = data[:at] + other[random.randrange(len(other)) :]
    return bytes(data)


class Forger:
    """Well-formed updates whose origins, parents and deletions point anywhere into a room, and beside it."""

    def __init__(
        self, random: Random, state: dict[int, int], *, spare: Collection[int] = (), wild: bool = True
    ) -> None:
        """`state` is what the room has. Nothing is brought under the client ids in `spare`. Without `wild` there are no
        structs that make Yjs itself end differently when updates come in another order, so that no server could keep
        its clients equal: with a right neighbour that does not lie right of the left one, with content of several
        clocks under one key of a map, and with formats, of which every client cleans up what it finds redundant."""
        self._random = random
        self._state = dict(state)
        self._spare = frozenset(spare)
        self._wild = wild

    def update(self) -> bytes:
        """One update of one to three clients, mostly following on what the room has."""
        random = self._random
        structs: dict[int, tuple[int, list[bytes]]] = {}
        known = [client for client in self._state if client not in self._spare]
        for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
            client = (
                random.choice([*known, random.randrange(1, 2**32)]) if random.random() < 0.7 else random.randrange(99)
            )
            clock = max(0, self._state.get(client, 0) + random.choice((0, 0, 0, 0, 0, -1, -2, 1)))
            structs[client] = (clock, [self._struct() for _ in range(random.choice((1, 1, 1, 2, 4)))])
        deletes: dict[int, list[tuple[int, int]]] = {}
        for _ in range(random.choice((0, 0, 0, 1, 2))):
            client, clock = self._id()
            deletes.setdefault(client, []).append((clock, random.choice((1, 1, 2, 5, 40))))
        return forge.update(structs, deletes)

    def accepted(self, state: dict[int, int]) -> None:
        """The room has moved on."""
        self._state = dict(state)

    def _id(self) -> forge.Id:
        random = self._random
        client = random.choice(list(self._state)) if self._state and random.random() < 0.97 else random.randrange(99)
        return client, max(0, random.randrange(self._state.get(client, 0) + 1) - (random.random() < 0.5))

    def _struct(self) -> bytes:
        random = self._random
        if random.random() < 0.08:
            return forge.run(random.choice((forge.GC, forge.GC, forge.SKIP)), random.choice((1, 2, 7)))
        origin = self._id() if random.random() < 0.5 else None
        right = self._id() if self._wild and random.random() < 0.4 else None
        parent = self._id() if random.random() < 0.3 else random.choice(_ROOTS)
        sub = random.choice(("key", "k1", "")) if self._wild and random.random() < 0.2 else None
        return forge.item(self._content(), origin=origin, right=right, parent=parent, sub=sub)

    def _content(self) -> tuple[int, bytes]:
        random = self._random
        kind = random.choice((forge.STRING,) * 5 + tuple(range(1, 10)))
        if kind == forge.STRING or (kind == forge.FORMAT and not self._wild):
            return forge.text(random.choice(("x", "xyz", "é", "\U0001f600", "a\U0001f600b", "日本")))
        if kind == forge.DELETED:
            return kind, forge.uint(random.choice((1, 2, 9)))
        if kind == forge.JSON:
            return kind, forge.uint(2) + forge.string('{"a":1}') + forge.string("undefined")
        if kind == forge.BINARY:
            return kind, forge.string(b"\x00\x01")
        if kind == forge.EMBED:
            return kind, forge.string('{"image":1}')
        if kind == forge.FORMAT:
            return kind, forge.string("bold") + forge.string(random.choice(("true", "null")))
        if kind == forge.TYPE:
            which = random.randrange(7)
            return kind, forge.uint(which) + (forge.string("p") if which in (3, 5) else b"")
        if kind == forge.ANY:
            return kind, forge.uint(2) + b"\x7e" + b"\x7d\x05"
        return kind, forge.string("guid") + b"\x76\x00"
