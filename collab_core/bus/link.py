"""A room's tie to the same room on other nodes: what joins here is told there, what joins there joins here.

`Link` decides and the parts work: `Origins` knows the others, `Uncommitted` keeps what of theirs may not be durable,
`Healing` says when something is missing. It runs on the room's event loop; nothing here awaits.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import UUID

from collab_core.authorship import learn
from collab_core.bus import messages
from collab_core.bus.healing import Healing, Step
from collab_core.bus.messages import Answer, Ask, Digest, Edits, Leaving, Origin, PackedRow, Presence, Present, Told
from collab_core.bus.origins import Heard, Origins
from collab_core.bus.port import Bus
from collab_core.bus.uncommitted import Name, Uncommitted
from collab_core.identity import RoomKey
from collab_core.journal import envelope
from collab_core.journal.feed import Feed
from collab_core.journal.port import Entry, Loaded, Row
from collab_core.log import RoomLog
from collab_core.marks import Marks
from collab_core.merge import merge
from collab_core.metrics import EngineMetrics
from collab_core.owners import Owners
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire.id_ranges import DeleteSet
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk

logger = logging.getLogger(__name__)

MESSAGE_BYTES: Final = 1024 * 1024
"""Largest message of edits or answers. Redis ends a subscriber that is 8 MiB behind for a minute; what does not fit is
healed from the journal."""
ROWS_IN_A_MESSAGE: Final = 512
HELD_ROWS: Final = 1_024
"""Rows of others that wait for something they build on. More of them are not worth keeping: all is asked for anew."""
JOINED_ROWS: Final = 8_192
"""Rows of others remembered as joined: a reading of the journal gives those of the last seconds again."""
MISSING_SECONDS: Final = 60.0
"""So long after another node was lost without a word, or committed something since, it may only be cut off from the
bus: what its members type is looked for in the journal, as if there were no bus."""
UNSURE_SECONDS: Final = 120.0
"""So long after another node was heard, members may come from it with what was lost with it."""

_lives = itertools.count(1)


class Host(Protocol):
    """What the link needs of its room."""

    def follow(self, entry: Entry, walked: Walk) -> bool:
        """Another node took this edit: let it join here too. False if it lacks something."""
        ...

    def heal(self, update: bytes, owners: Owners) -> None:
        """Let all that is new of this join. Whose structs it brings is in `owners`."""
        ...

    def present(self, origin: Origin, people: Sequence[Present]) -> None:
        """These are connected to another node."""
        ...

    def absent(self, origin: Origin) -> None:
        """Whoever was connected to that node is not any more."""
        ...

    def here(self) -> list[Present]:
        """Those connected to this node."""
        ...

    def heard(self, origin: Origin, payload: bytes) -> None:
        """The application on another node says something to this one's."""
        ...

    def composes(self, client: int) -> None:
        """Another node's own document writes under this client id."""
        ...

    def composed(self, client: int) -> None:
        """That node writes under it no more."""
        ...

    def composer(self) -> int:
        """The client id of this node's own document; 0 if it has not written."""
        ...

    def orphaned(self) -> None:
        """Another node is gone, without a word: its members may come here with what they alone have."""
        ...

    def read_journal(self) -> None:
        """Read what the journal has that the room has not; then call `Link.read`."""
        ...


class Link:
    """One room's side of the bus."""

    def __init__(
        self,
        key: RoomKey,
        host: Host,
        *,
        bus: Bus,
        epoch: UUID,
        log: RoomLog,
        view: View,
        feed: Feed,
        owners: Owners,
        marks: Marks,
        tuning: Tuning,
        metrics: EngineMetrics,
        clock: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._key = key
        self._host = host
        self._bus = bus
        self._epoch = epoch
        self._life = next(_lives)
        self._log = log
        self._view = view
        self._feed = feed
        self._owners = owners
        self._marks = marks
        self._tuning = tuning
        self._metrics = metrics
        self._now = clock
        self._dice = dice
        self._number = 0
        self._outgoing: list[Row] = []
        self._own: deque[Row] = deque()
        """Rows of ours that are not committed."""
        self._last_cut = feed.numbered
        """The last number of ours. What this node had of the room before it opened it now is committed."""
        self._origins = Origins()
        self._uncommitted = Uncommitted()
        self._held: OrderedDict[Name, Row] = OrderedDict()
        self._healing = Healing(dice)
        self._joined: OrderedDict[Name, None] = OrderedDict()
        self._hash: tuple[int, bytes] = (-1, b"")
        self._active_until = 0.0
        self._adopted: set[Name] = set()
        self._missing: dict[UUID, float] = {}
        """Until when nodes that were lost without a word may be alive, and committing."""
        self._reading = False
        self._timer_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._digest_at = 0.0
        self._audit_at = clock() + tuning.audit_seconds * dice()
        self._closed = False
        if bus.alone:
            return
        feed.on_cut = self._cut
        feed.on_written = self._written
        feed.predecessors = self._uncommitted.through

    # What happens here

    def open(self) -> None:
        """The room is open: ask who else has it, and what they have that is not committed."""
        if self._bus.alone:
            return
        self._say(Ask(self._life, self._number, False, dict(self._log.state)))
        self._digest_at = self._now() + self._tuning.digest_seconds * self._dice()
        self._schedule()

    def builds_on(self, walked: Walk) -> None:
        """An edit was taken here, and is in the feed: it must not be committed without what it builds on."""
        if needed := self._uncommitted.needed_by(walked):
            self._feed.follow(needed)

    def flushed(self) -> None:
        """What had joined was sent to everyone here: now to the other nodes.

        Most rooms are open on one node, and then nothing is said but that they are: a node that opens the room asks, and
        is answered with what is not committed."""
        if self._bus.alone:
            return
        self._active()
        if not self.shared:
            self._outgoing.clear()
            return
        self._feed.cut()
        rows, self._outgoing = self._outgoing, []
        packed: list[PackedRow] = []
        size = 0
        for row in rows:
            one = _pack(row)
            if packed and (size + len(one.entries) > MESSAGE_BYTES or len(packed) == ROWS_IN_A_MESSAGE):
                self._say_edits(packed)
                packed, size = [], 0
            packed.append(one)
            size += len(one.entries)
        if packed:
            self._say_edits(packed)

    def _say_edits(self, rows: list[PackedRow]) -> None:
        self._number += 1
        if sum(len(row.entries) for row in rows) > 2 * MESSAGE_BYTES:
            return  # one large row: the others miss the number, and read it from the journal
        self._say(Edits(self._life, self._number, self._committed, self._host.composer(), rows))

    def presence(self, people: Sequence[Present]) -> None:
        """These came, went, moved or were renewed here."""
        if not self.shared:
            return
        self._number += 1
        self._say(Presence(self._life, self._number, list(people)))

    def tell(self, payload: bytes) -> None:
        """Tell the application on the other nodes."""
        self._number += 1
        self._say(Told(self._life, self._number, payload))

    def leave(self) -> None:
        """The room is about to be closed here in order: nothing of it is uncommitted."""
        self._say(Leaving(self._life, self._number, self._committed))

    def close(self) -> None:
        """No more timers, no more calls."""
        self._closed = True
        self._feed.on_cut = self._feed.on_written = None
        if self._timer is not None:
            self._timer.cancel()

    @property
    def settled(self) -> bool:
        """Whether nothing depends on this node remembering it."""
        return not self._uncommitted and not self._own

    @property
    def nodes(self) -> int:
        """How many nodes have the room open, this one included."""
        return 1 + len(self._origins)

    @property
    def shared(self) -> bool:
        """Whether another node has the room open."""
        return len(self._origins) > 0

    def uncommitted(self, mark: bytes) -> int:
        """As `Uncommitted.marked`."""
        return self._uncommitted.marked(mark)

    def unsure(self) -> bool:
        """Whether members may honestly have something of another node's that did not get here yet."""
        return not self._bus.up or self._now() - self._origins.last_heard < UNSURE_SECONDS

    def interrupted(self) -> None:
        """Messages may have been lost, both ways. It happens to all rooms at once: they spread out."""
        self._healing.unread(self._now(), self._tuning.digest_seconds)
        self._healing.lost(self._now())
        self._digest_at = min(self._digest_at, self._now() + self._tuning.digest_seconds * self._dice() / 4)
        self._schedule()

    def cut_off(self) -> None:
        """The bus is down: what others type comes from the journal now, and nobody else need be told."""
        self._digest_at = min(self._digest_at, self._now() + self._tuning.digest_seconds * self._dice())
        self._schedule()

    def heal_soon(self) -> None:
        """Something that should be here is not."""
        self._healing.lost(self._now())
        self._schedule()

    def gone(self, epoch: UUID) -> None:
        """That node is known to be gone. It may have had this room open, and never been heard."""
        for origin, _ in self._origins:
            if origin.epoch == epoch:
                self._lose(origin)
        self._healing.unread(self._now(), self._tuning.digest_seconds)
        self._schedule()

    # What others say

    def hear(self, data: bytes) -> None:
        """A message of the bus. Whatever it holds, nothing is raised."""
        if data[: messages.EPOCH_BYTES] == self._epoch.bytes or self._closed:
            return
        self._metrics.bus_in += 1
        try:
            epoch, message = messages.decode(data)
            self._missing.pop(epoch, None)
            origin = Origin(epoch, message.life)
            heard = self._origins.hear(origin, self._now())
            self._take(origin, heard, message)
        except Exception:  # whatever another version of this program may say
            self._metrics.bus_refused += 1
            logger.exception("a message of the bus about room %s cannot be taken", self._key)
        self._retry()
        self._schedule()

    def _take(self, origin: Origin, heard: Heard, message: messages.Message) -> None:
        in_order = True
        if isinstance(message, Edits | Presence | Told):
            in_order = self._origins.follows(heard, message.number)
        if isinstance(message, Edits):
            self._active()
            self._learn(origin, heard, message)
            for packed in message.rows:
                self._take_row(_unpack(self._key, packed))
        elif isinstance(message, Presence):
            self._host.present(origin, message.people)
        elif isinstance(message, Told):
            self._host.heard(origin, message.payload)
        elif isinstance(message, Digest):
            in_order = heard.number in {0, message.number}
            heard.number = message.number
            self._learn(origin, heard, message)
            self._compare(origin, message)
        elif isinstance(message, Ask):
            self._healing.claim(origin, message.state, self._log.state, self._now())
            self._answer(origin, message)
        elif isinstance(message, Answer):
            heard.number = max(heard.number, message.number)
            self._learn(origin, heard, message)
            self._take_answer(origin, message)
        else:
            self._uncommitted.committed(origin.epoch, message.committed)
            self._lose(origin, in_order=True)
        if not in_order:
            self._metrics.bus_gaps += 1
            self._healing.missed(origin, self._now())

    def _learn(self, origin: Origin, heard: Heard, message: Edits | Digest | Answer) -> None:
        if message.committed > heard.committed:
            heard.committed = message.committed
            self._uncommitted.committed(origin.epoch, message.committed)
        if message.composer and message.composer != heard.composer:
            heard.composer = message.composer
            self._host.composes(message.composer)

    def _take_row(self, row: Row) -> None:
        name = (row.epoch, row.sequence)
        if name in self._uncommitted or name in self._held or row.epoch == self._epoch:
            return
        if not self._join(row):
            self._held[name] = row
            self._healing.lost(self._now())
            if len(self._held) > HELD_ROWS:
                self._held.popitem(last=False)

    def _join(self, row: Row) -> bool:
        ranges: list[tuple[int, int, int]] = []
        complete = True
        for entry in row.entries:
            walked = walk(entry.update)
            ranges.extend((section.client, section.start, section.end) for section in walked.sections)
            if self._host.follow(entry, walked):
                self._marks.note(entry.mark)
            else:
                complete = False
        if complete:
            self._note_joined((row.epoch, row.sequence))
            self._uncommitted.keep(row, ranges)
            if self._uncommitted.size > self._tuning.uncommitted_bytes:
                self._adopt(row.epoch)  # its node does not get it committed; our own feed is bounded, and says so
        return complete

    def _note_joined(self, name: Name) -> None:
        self._joined[name] = None
        if len(self._joined) > JOINED_ROWS:
            self._joined.popitem(last=False)

    def _retry(self) -> None:
        """Look again at what waits, as long as something joins by it."""
        moved = True
        while moved and self._held:
            moved = False
            for name, row in list(self._held.items()):
                if self._join(row):
                    del self._held[name]
                    moved = True

    def _compare(self, origin: Origin, said: Digest | Answer) -> None:
        self._healing.claim(origin, said.state, self._log.state, self._now())
        # As maps: equal documents may have different bytes.
        differs = said.state == self._log.state and said.deleted != self._deleted()
        self._healing.compare(origin, self._now(), differs=differs)

    def _answer(self, origin: Origin, asked: Ask) -> None:
        update = owners = marks = b""
        self._feed.cut()
        rows: list[PackedRow] = []
        left = MESSAGE_BYTES
        for row in (*self._uncommitted.all(), *self._own):
            packed = _pack(row)
            left -= len(packed.entries)
            if left < 0 or len(rows) == ROWS_IN_A_MESSAGE:
                break
            rows.append(packed)
        else:
            # Only with all that may not be committed: the asker takes the rest for durable.
            marks = self._marks.newest()
            if asked.wanted:
                update = self._view.difference(asked.state)
                owners = self._owners.since(asked.state).pack()
        if len(update) + len(owners) > left:
            update = owners = b""
        answer = Answer(
            self._life,
            self._number,
            self._committed,
            self._host.composer(),
            dict(self._log.state),
            self._deleted(),
            update,
            owners,
            rows,
            self._host.here(),
            marks,
        )
        self._metrics.bus_out += 1
        self._bus.send(origin.epoch, self._key, messages.encode(self._epoch, answer))

    def _take_answer(self, origin: Origin, answer: Answer) -> None:
        if answer.update and answer.update != EMPTY_UPDATE:
            self._host.heal(answer.update, Owners.unpack(answer.owners))
            self._metrics.bus_heals += 1
        for packed in answer.rows:
            row = _unpack(self._key, packed)
            if row.epoch != self._epoch and not any(known.epoch == row.epoch for known, _ in self._origins):
                self._origins.hear(Origin(row.epoch, 0), self._now())  # from now on it counts as silent
            self._take_row(row)
        self._marks.absorb(answer.marks)
        self._host.present(origin, answer.people)
        self._healing.helped(origin)
        self._compare(origin, answer)

    # The journal

    def read(self, loaded: Loaded | None) -> None:
        """What the journal had that may be new; `None` if it could not be read."""
        self._reading = False
        if loaded is None or self._closed:
            return
        rows = [
            row for row in loaded.rows if row.epoch != self._epoch and (row.epoch, row.sequence) not in self._joined
        ]
        for row in rows:
            if row.epoch in self._missing:
                self._missing[row.epoch] = self._now() + MISSING_SECONDS
        owners = Owners.unpack(loaded.owners)
        entries = [entry for row in rows for entry in row.entries]
        learn(owners, entries)
        update = merge([loaded.base, *(entry.update for entry in entries)])
        if update != EMPTY_UPDATE:
            self._host.heal(update, owners)
        self._marks.learn(entries)
        for row in loaded.rows:
            name = (row.epoch, row.sequence)
            self._uncommitted.written(name)
            self._held.pop(name, None)
            self._note_joined(name)
        self._healing.read()
        self._retry()
        self._schedule()

    def _cut(self, row: Row) -> None:
        self._own.append(row)
        self._outgoing.append(row)
        self._last_cut = row.sequence

    def _written(self, row: Row) -> None:
        if row.epoch != self._epoch:
            self._uncommitted.written((row.epoch, row.sequence))
            return
        while self._own and self._own[0].sequence <= row.sequence:
            self._own.popleft()

    @property
    def _committed(self) -> int:
        return self._own[0].sequence - 1 if self._own else self._last_cut

    def _lose(self, origin: Origin, *, in_order: bool = False) -> None:
        heard = self._origins.get(origin)
        if heard is not None and heard.composer:
            self._host.composed(heard.composer)
        if not in_order:
            self._missing[origin.epoch] = self._now() + MISSING_SECONDS
        self._origins.leave(origin)
        self._healing.gone(origin)
        self._host.absent(origin)
        if not any(other.epoch == origin.epoch for other, _ in self._origins):
            self._adopt(origin.epoch)
        if not in_order:
            self._metrics.bus_nodes_lost += 1
            self._healing.unread(self._now(), 1.0)
            self._host.orphaned()

    def _adopt(self, epoch: UUID) -> None:
        rows = self._uncommitted.of(epoch)
        if rows:
            logger.warning("room %s: %d rows of node %s are committed for it", self._key, len(rows), epoch)
        for row in rows:
            if (row.epoch, row.sequence) not in self._adopted:
                self._adopted.add((row.epoch, row.sequence))
                self._feed.adopt(row)
                self._metrics.bus_rows_adopted += 1

    # The clock

    def _active(self) -> None:
        now = self._now()
        if now >= self._active_until and not self._bus.alone:  # it was quiet: the next digest is far away
            self._digest_at = min(self._digest_at, now + self._tuning.digest_seconds * (0.8 + 0.4 * self._dice()))
            self._schedule()
        self._active_until = now + self._tuning.active_seconds

    def _schedule(self) -> None:
        """Let the timer ring when something is due next."""
        if self._closed or self._bus.alone:
            return
        due = self._digest_at if self._healing.due is None else min(self._digest_at, self._healing.due)
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._now()
        self._missing = {epoch: until for epoch, until in self._missing.items() if now < until}
        if now >= self._digest_at:
            self._say_digest(now)
            self._look_after_others(now)
            if self._cut_off or (now >= self._audit_at and now < self._active_until):
                # Without a bus slower than with it, but nobody is cut off from the others. With one, a look whether it
                # carries what it seems to.
                self._audit_at = now + self._tuning.audit_seconds * (0.5 + self._dice())
                self._read()
        step = self._healing.step(self._log.state, now)
        if step is Step.ASK:
            self._ask()
        elif step is Step.READ:
            self._read()
        self._schedule()

    @property
    def _cut_off(self) -> bool:
        """Whether somebody may type whom the bus does not carry here."""
        return not self._bus.up or bool(self._missing)

    def _say_digest(self, now: float) -> None:
        busy = now < self._active_until or not self.settled or self._healing.due is not None or self._cut_off
        seconds = self._tuning.digest_seconds if busy else self._tuning.idle_digest_seconds
        self._digest_at = now + seconds * (0.8 + 0.4 * self._dice())
        state = dict(self._log.state)
        self._say(Digest(self._life, self._number, self._committed, self._host.composer(), state, self._deleted()))

    def _look_after_others(self, now: float) -> None:
        owed = self._uncommitted.epochs
        for origin, heard in self._origins:
            # Whoever owes a commit is busy and says so every `digest_seconds`.
            limit = self._tuning.silent_node_seconds if origin.epoch in owed else 2.5 * self._tuning.idle_digest_seconds
            if now - heard.at > limit:
                self._lose(origin)

    def _ask(self) -> None:
        source = self._healing.source
        asked = Ask(self._life, self._number, source is not None, dict(self._log.state))
        if source is None:
            self._say(asked)
        else:
            self._metrics.bus_out += 1
            self._bus.send(source.epoch, self._key, messages.encode(self._epoch, asked))

    def _read(self) -> None:
        if not self._reading:
            self._reading = True
            self._host.read_journal()

    def _say(self, message: messages.Message) -> None:
        if self._bus.alone:
            return
        self._metrics.bus_out += 1
        self._bus.publish(self._key, messages.encode(self._epoch, message))

    def _deleted(self) -> bytes:
        """A hash of the delete set, worked out once per version of the room."""
        version, hashed = self._hash
        if version != self._log.version:
            hashed = hash_of(self._log.deleted)
            self._hash = (self._log.version, hashed)
        return hashed


def hash_of(deleted: DeleteSet) -> bytes:
    """Eight bytes that are equal for equal delete sets, in whatever order they were made."""
    digest = hashlib.blake2b(digest_size=8)
    for client in sorted(deleted):
        if ranges := list(deleted[client]):
            digest.update(repr((client, ranges)).encode())
    return digest.digest()


def _pack(row: Row) -> PackedRow:
    return PackedRow(row.epoch.bytes, row.sequence, envelope.encode(row.entries))


def _unpack(key: RoomKey, packed: PackedRow) -> Row:
    return Row(key, UUID(bytes=packed.epoch), packed.sequence, envelope.decode(packed.entries))
