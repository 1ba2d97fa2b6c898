"""A room's bytes: the truth that documents, members and the journal are views of.

The log is a base (merged bytes) plus a tail of pieces in causal order, one piece per flush, plus the window:
updates accepted since the last flush. Members are cursors into the tail. What is in the log never depends on
anything that is not: `screen` splits an update into what may join now and what must wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from collab_core.merge import merge
from collab_core.parents import Parents
from collab_core.wire.id_ranges import DeleteSet, IdRanges, Range
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Need, Section, Slice, Walk, compose

Halves = dict[int, set[int]]
"""Client id -> clocks of second halves of surrogate pairs: no edit may cut text there."""


class SplitCharacter(Exception):
    """An edit would cut a surrogate pair in two. Yjs and yrs disagree on the text that leaves; refuse the edit."""


@dataclass(frozen=True, slots=True)
class Screened:
    """An update, split. `accepted` is what is new and has all it depends on; `waiting` is what has not (both
    `EMPTY_UPDATE` when there is nothing). `advances` and `deletes` say what `accepted` brings."""

    accepted: bytes
    waiting: bytes
    advances: list[tuple[int, int]] = field(default_factory=list)
    deletes: dict[int, list[Range]] = field(default_factory=dict)


NOTHING_NEW = Screened(EMPTY_UPDATE, EMPTY_UPDATE)


class RoomLog:
    """Base, tail and window of one room, and what they hold together: state vector, delete set, pair halves."""

    def __init__(self, base: bytes, state: dict[int, int], deleted: DeleteSet, halves: Halves) -> None:
        self.base = base
        self.state = state
        self.deleted = deleted
        self.halves = halves
        self.version = 0
        """Counts accepted updates since the room was opened: equal versions, equal bytes."""
        self._parents: Parents | None = None  # read from the bytes when the first edit inside a nested type comes
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._first = 0
        self._window: list[bytes] = []
        self._window_bytes = 0

    @property
    def end(self) -> int:
        """The cursor of a member that has every flushed piece."""
        return self._first + len(self._tail)

    @property
    def pieces(self) -> int:
        """How many pieces the tail has."""
        return len(self._tail)

    @property
    def tail_bytes(self) -> int:
        """Bytes in the tail."""
        return self._tail_bytes

    @property
    def size(self) -> int:
        """Bytes held: an upper bound of the merged document's size."""
        return len(self.base) + self._tail_bytes + self._window_bytes

    @property
    def pending(self) -> int:
        """How many updates the next flush will carry."""
        return len(self._window)

    def screen(self, walk: Walk) -> Screened:
        """What of an update is new and may join. Pure. Raises `SplitCharacter`, and `WireError` on what never could."""
        if self.halves or walk.halves:
            self._refuse_split_characters(walk)
        whole = self._screen_whole(walk)
        return whole if whole is not None else self._screen_structs(walk)

    def _screen_whole(self, walk: Walk) -> Screened | None:
        """The common case, an edit that follows on what is there; `None` if it is not that simple."""
        state = self.state
        sections = walk.sections
        if len(sections) > 1:
            return None
        section = sections[0] if sections else None
        if section is not None:
            if section.skips or section.start != state.get(section.client, 0):
                return None
            for need in section.needs:
                if state.get(need.client, 0) <= need.clock:
                    return None
            if section.parents and not self._all_placed(walk):
                return None
        fresh = section is not None
        stale = False
        for client, ranges in walk.deletes.items():
            reach = section.end if section is not None and client == section.client else state.get(client, 0)
            known = self.deleted.get(client)
            for start, end in ranges:
                if end > reach:
                    return None
                if known is not None and known.covers(start, end):
                    stale = True
                else:
                    fresh = True
        if not fresh:
            return NOTHING_NEW
        if stale:  # a SyncStep2 carries the whole delete set: it is reduced to what is new
            return None
        advances = [(section.client, section.end)] if section is not None else []
        return Screened(walk.update, EMPTY_UPDATE, advances, walk.deletes)

    def _screen_structs(self, walk: Walk) -> Screened:
        """Struct by struct, to a fixed point, as Yjs integrates: a struct joins when its client's earlier structs
        and all it refers to are there."""
        reach = _Reach(self.state)
        scans = [_Scan(section, reach[section.client]) for section in walk.sections]
        # Client -> heap of (clock, index of the scan that waits for it). A scan is woken once per need, when that need
        # is met: waking all that wait for a client whenever it moves is quadratic, and a forged update makes it so.
        blocked: dict[int, list[tuple[int, int]]] = {}
        holders = self._holders(walk)
        ready = list(range(len(scans)))
        while ready:
            index = ready.pop()
            scan = scans[index]
            need = scan.advance(reach, holders)
            if need is not None:
                heappush(blocked.setdefault(need.client, []), (need.clock, index))
            waiting = blocked.get(scan.section.client)
            while waiting and waiting[0][0] < reach[scan.section.client]:
                ready.append(heappop(waiting)[1])
        # Cut to what is new: a struct that says something else about clocks that are known would make the merged bytes
        # another text than the document.
        slices = [
            Slice(scan.section, scan.first, scan.at, self.state.get(scan.section.client, 0))
            for scan in scans
            if scan.at > scan.first
        ]
        rest = [
            Slice(scan.section, scan.at, len(scan.section.marks)) for scan in scans if scan.at < len(scan.section.marks)
        ]
        fresh_deletes, rest_deletes = self._split_deletes(walk, reach)
        if walk.halves:
            self._refuse_split_overlaps(walk, slices)
        return Screened(
            compose(walk.update, slices, fresh_deletes) if slices or fresh_deletes else EMPTY_UPDATE,
            compose(walk.update, rest, rest_deletes) if rest or rest_deletes else EMPTY_UPDATE,
            [(scan.section.client, reach[scan.section.client]) for scan in scans if scan.at > scan.first],
            fresh_deletes,
        )

    def _holders(self, walk: Walk) -> tuple[Parents, ...]:
        """What structs of this update may name as parents; empty if none of them names one."""
        if not any(section.parents for section in walk.sections):
            return ()
        if self._parents is None:
            self._parents = Parents.of(self.whole())
        brought = Parents()
        for section in walk.sections:
            brought.note(section, self.state.get(section.client, 0), section.end)
        return self._parents, brought

    def _all_placed(self, walk: Walk) -> bool:
        holders = self._holders(walk)
        return all(
            any((parent.client, parent.clock) in known for known in holders)
            for section in walk.sections
            for parent in section.parents
        )

    def _split_deletes(self, walk: Walk, reach: _Reach) -> tuple[dict[int, list[Range]], dict[int, list[Range]]]:
        fresh: dict[int, list[Range]] = {}
        rest: dict[int, list[Range]] = {}
        for client, ranges in walk.deletes.items():
            limit = reach[client]
            known = self.deleted.get(client)
            for start, end in ranges:
                if start < limit:
                    reached = min(end, limit)
                    parts = [(start, reached)] if known is None else known.missing(start, reached)
                    if parts:
                        fresh.setdefault(client, []).extend(parts)
                if end > limit:
                    rest.setdefault(client, []).append((max(start, limit), end))
        return fresh, rest

    def _refuse_split_characters(self, walk: Walk) -> None:
        brought = set(walk.halves)
        known = self.halves

        def splits(client: int, clock: int) -> bool:
            return clock in known.get(client, ()) or (client, clock) in brought

        if (
            any(splits(client, clock) for client, clock in walk.cuts)
            or any(splits(section.client, section.start) for section in walk.sections)
            or any(
                splits(client, start) or splits(client, end)
                for client, ranges in walk.deletes.items()
                for start, end in ranges
            )
        ):
            raise SplitCharacter

    def _refuse_split_overlaps(self, walk: Walk, slices: list[Slice]) -> None:
        """A struct that is partly known is cut where the known part ends."""
        for section, first, _, _ in slices:
            known = self.state.get(section.client, 0)
            if section.marks[first][0] < known and (section.client, known) in walk.halves:
                raise SplitCharacter

    def accept(self, screened: Screened, walk: Walk) -> None:
        """Take the accepted part into the window. The document must have taken it before."""
        if walk.halves:
            self._note_halves(screened, walk)
        if self._parents is not None:
            ends = dict(screened.advances)
            for section in walk.sections:
                start = self.state.get(section.client, 0)
                self._parents.note(section, start, ends.get(section.client, start))
        self._window.append(screened.accepted)
        self._window_bytes += len(screened.accepted)
        self.version += 1
        for client, end in screened.advances:
            self.state[client] = end
        for client, ranges in screened.deletes.items():
            known = self.deleted.get(client)
            if known is None:
                known = self.deleted[client] = IdRanges()
            for start, end in ranges:
                known.add(start, end)

    def _note_halves(self, screened: Screened, walk: Walk) -> None:
        """Only of clocks that are new. A struct may overlap what is known, and what it says there is ignored by all:
        forged pairs in somebody else's text would make honest edits at that place look like cuts."""
        state = self.state
        ends = dict(screened.advances)
        for client, clock in walk.halves:
            if state.get(client, 0) <= clock < ends.get(client, 0):
                self.halves.setdefault(client, set()).add(clock)

    def flush(self) -> bytes | None:
        """Merge the window into one piece of the tail and return it; `None` if there is nothing."""
        window = self._window
        if not window:
            return None
        piece = window[0] if len(window) == 1 else merge(window)
        self._window = []
        self._window_bytes = 0
        self._tail.append(piece)
        self._tail_bytes += len(piece)
        return piece

    def since(self, cursor: int) -> bytes:
        """One merged piece that brings a member from `cursor` to `end`; all there is if the cursor was folded."""
        if cursor < self._first:
            return merge([self.base, *self._tail])
        return merge(list(self._tail)[cursor - self._first :])

    def whole(self) -> bytes:
        """Everything, window included, merged as bytes."""
        return merge([self.base, *self._tail, *self._window])

    def fold(self, base: bytes) -> None:
        """Replace base and tail by `base`, which must hold exactly what they hold. The window must be empty."""
        assert not self._window, "fold only right after a flush"
        self.base = base
        self._first += len(self._tail)
        self._tail.clear()
        self._tail_bytes = 0


class _Reach:
    """The state vector as far as the update at hand would take it."""

    __slots__ = ("_base", "_moved")

    def __init__(self, state: Mapping[int, int]) -> None:
        self._base = state
        self._moved: dict[int, int] = {}

    def __getitem__(self, client: int) -> int:
        moved = self._moved.get(client)
        return moved if moved is not None else self._base.get(client, 0)

    def move(self, client: int, clock: int) -> None:
        self._moved[client] = clock


class _Scan:
    """How far into one section the structs may join."""

    __slots__ = ("_need", "_parent", "_skips", "at", "first", "section")

    def __init__(self, section: Section, known: int) -> None:
        self.section = section
        marks = section.marks
        at = 0
        while at < len(marks) and self._end(section, at) <= known:
            at += 1
        self.first = self.at = at
        """Structs before `first` are known already; structs from `first` up to `at` may join."""
        self._need = 0
        self._parent = 0
        self._skips = {start for start, _ in section.skips}

    @staticmethod
    def _end(section: Section, at: int) -> int:
        return section.marks[at + 1][0] if at + 1 < len(section.marks) else section.end

    def advance(self, reach: _Reach, holders: tuple[Parents, ...]) -> Need | None:
        """Go as far as `reach` allows, moving it. Returns what is waited for; `None` at the end. Raises `WireError`
        on a child of what is there and is no type: no document would take it, now or later."""
        section = self.section
        marks = section.marks
        needs = section.needs
        parents = section.parents
        while self.at < len(marks):
            clock = marks[self.at][0]
            end = self._end(section, self.at)
            if clock in self._skips or clock > reach[section.client]:
                return None  # a gap in the client's own clocks: nothing in this update fills it
            while self._need < len(needs) and needs[self._need].at <= clock:
                need = needs[self._need]
                if need.at == clock and reach[need.client] <= need.clock:
                    return need
                self._need += 1
            while self._parent < len(parents) and parents[self._parent].at <= clock:
                parent = parents[self._parent]
                if parent.at == clock and not any((parent.client, parent.clock) in known for known in holders):
                    raise WireError("a child of something that holds no children", section.marks[self.at][1])
                self._parent += 1
            self.at += 1
            reach.move(section.client, end)
        return None
