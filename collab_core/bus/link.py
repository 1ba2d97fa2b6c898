"""A room's tie to the same room on other nodes: what joins here is told there, what joins there joins here.

`Link` decides and the parts work: `Origins` knows the others, `Uncommitted` keeps what of theirs may not be durable,
`Healing` says when something is missing. It runs on the room's event loop; nothing here awaits.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from collab_core.authorship import learn
from collab_core.bus import messages
from collab_core.bus.answers import Answers
from collab_core.bus.deletions import Deletions
from collab_core.bus.healing import Healing, Step
from collab_core.bus.host import Host
from collab_core.bus.messages import Answer, Ask, Digest, Edits, Leaving, Origin, Presence, Present, Told
from collab_core.bus.origins import Heard, Origins
from collab_core.bus.other_rows import OtherRows
from collab_core.bus.own_rows import MESSAGE_BYTES, OwnRows
from collab_core.bus.pace import Pace
from collab_core.bus.port import Bus
from collab_core.identity import RoomKey
from collab_core.journal.feed import Feed
from collab_core.journal.port import Loaded, Row
from collab_core.log import RoomLog
from collab_core.marks import Marks
from collab_core.merge import merge
from collab_core.metrics import EngineMetrics
from collab_core.owners import Owners
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk

logger = logging.getLogger(__name__)

MISSING_SECONDS: Final = 60.0
"""So long after another node was lost without a word, or committed something since, it may only be cut off from the
bus: what its members type is looked for in the journal, as if there were no bus."""
UNSURE_SECONDS: Final = 120.0
"""So long after another node was heard, members may come from it with what was lost with it."""

ANSWER_SECONDS: Final = 2.0
"""So long after a room was opened here others may have it open and not have answered yet: they are told all the same,
or what is typed meanwhile gets to them late, and as nobody's."""

_lives = itertools.count(1)


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
        self._feed = feed
        self._marks = marks
        self._tuning = tuning
        self._metrics = metrics
        self._now = clock
        self._number = 0
        self._answered_by = clock() + ANSWER_SECONDS
        self._origins = Origins()
        self._healing = Healing(dice)
        self._deletions = Deletions(log)
        self._missing: dict[UUID, float] = {}
        """Until when nodes that were lost without a word may be alive, and committing."""
        self._reading = False
        self._timer_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pace = Pace(tuning, clock(), dice)
        self._closed = False
        self._own = OwnRows(feed)
        self._others = OtherRows(
            key,
            host,
            feed,
            marks,
            most_bytes=tuning.uncommitted_bytes,
            metrics=metrics,
            lacking=lambda: self._healing.lost(clock()),
        )
        self._answers = Answers(
            host, log, view, owners, marks, own=self._own, others=self._others, deletions=self._deletions
        )
        feed.on_written = self._written

    # What happens here

    def open(self) -> None:
        """The room is open: ask who else has it, and what they have that is not committed."""
        self._say(Ask(self._life, self._number, False, dict(self._log.state)))
        self._schedule()

    def builds_on(self, walked: Walk) -> None:
        """An edit was taken here, and is in the feed: it must not be committed without what it builds on."""
        self._others.builds_on(walked)

    def flushed(self) -> None:
        """What had joined was sent to everyone here: now to the other nodes.

        Most rooms are open on one node, and then nothing is said but that they are: a node that opens the room asks,
        and is answered with what is not committed."""
        self._active()
        if not self._may_be_heard:
            self._own.forget_untold()
            return
        for rows in self._own.untold():
            self._number += 1
            if sum(len(row.entries) for row in rows) <= 2 * MESSAGE_BYTES:
                self._say(Edits(self._life, self._number, self._own.committed, self._host.composer(), rows))
            # else one large row: the others miss the number, and read it from the journal

    def presence(self, people: Sequence[Present]) -> None:
        """These came, went, moved or were renewed here."""
        if not self._may_be_heard:
            return
        self._number += 1
        self._say(Presence(self._life, self._number, list(people)))

    def tell(self, payload: bytes) -> None:
        """Tell the application on the other nodes."""
        self._number += 1
        self._say(Told(self._life, self._number, payload))

    def leave(self) -> None:
        """The room is about to be closed here in order: nothing of it is uncommitted."""
        self._say(Leaving(self._life, self._number, self._own.committed))

    def close(self) -> None:
        """No more timers, no more calls."""
        self._closed = True
        self._feed.on_cut = self._feed.on_written = None
        if self._timer is not None:
            self._timer.cancel()

    @property
    def settled(self) -> bool:
        """Whether nothing depends on this node remembering it."""
        return not self._others and not self._own

    @property
    def nodes(self) -> int:
        """How many nodes have the room open, this one included."""
        return 1 + len(self._origins)

    @property
    def shared(self) -> bool:
        """Whether another node has the room open."""
        return len(self._origins) > 0

    @property
    def _may_be_heard(self) -> bool:
        """Whether another node may hear what is said here."""
        return self.shared or self._now() < self._answered_by

    @property
    def behind(self) -> bool:
        """Whether this process was held up, and others' edits of that time may not be here yet."""
        return self.shared and self._bus.behind

    def uncommitted(self, mark: bytes) -> int:
        """As `Uncommitted.marked`."""
        return self._others.marked(mark)

    def unsure(self) -> bool:
        """Whether members may honestly have something of another node's that did not get here yet."""
        return not self._bus.up or self._now() - self._origins.last_heard < UNSURE_SECONDS

    def interrupted(self) -> None:
        """Messages may have been lost, both ways. It happens to all rooms at once: they spread out."""
        self._healing.unread(self._now(), self._tuning.digest_seconds)
        self._healing.lost(self._now())
        self._pace.hurry(self._now(), self._tuning.digest_seconds / 4)
        self._schedule()

    def cut_off(self) -> None:
        """The bus is down: what others type comes from the journal now, and nobody else need be told."""
        self._pace.hurry(self._now(), self._tuning.digest_seconds)
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
            if not self.shared:
                self._pace.hurry(self._now(), self._tuning.digest_seconds)
            heard = self._origins.hear(origin, self._now())
            self._take(origin, heard, message)
        except Exception:  # whatever another version of this program may say
            self._metrics.bus_refused += 1
            logger.exception("a message of the bus about room %s cannot be taken", self._key)
        self._others.retry()
        self._schedule()

    def _take(self, origin: Origin, heard: Heard, message: messages.Message) -> None:
        in_order = True
        if isinstance(message, Edits | Presence | Told):
            in_order = self._origins.follows(heard, message.number)
        if isinstance(message, Edits):
            self._active()
            self._learn(origin, heard, message)
            for told in message.rows:
                self._others.take(self._others.unpacked(told))
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
            self._others.committed(origin.epoch, message.committed)
            self._lose(origin, in_order=True)
        if not in_order:
            self._metrics.bus_gaps += 1
            self._healing.missed(origin, self._now())

    def _learn(self, origin: Origin, heard: Heard, message: Edits | Digest | Answer) -> None:
        # Though it may have been said before: a third node that does not know it yet may have named such rows since.
        if self._others:
            self._others.committed(origin.epoch, message.committed)
        if message.composer and message.composer != heard.composer:
            heard.composer = message.composer
            self._host.composes(message.composer)

    def _compare(self, origin: Origin, said: Digest | Answer) -> None:
        self._healing.claim(origin, said.state, self._log.state, self._now())
        # As maps: equal documents may have different bytes.
        differs = said.state == self._log.state and said.deleted != self._deletions.hash
        self._healing.compare(origin, self._now(), differs=differs)

    def _answer(self, origin: Origin, asked: Ask) -> None:
        answer = self._answers.to(asked, self._life, self._number)
        self._metrics.bus_out += 1
        self._bus.send(origin.epoch, self._key, messages.encode(self._epoch, answer))

    def _take_answer(self, origin: Origin, answer: Answer) -> None:
        if answer.update and answer.update != EMPTY_UPDATE:
            self._host.heal(answer.update, Owners.unpack(answer.owners))
            self._metrics.bus_heals += 1
        for told in answer.rows:
            row = self._others.unpacked(told)
            if row.epoch == self._epoch:
                continue
            if not any(known.epoch == row.epoch for known, _ in self._origins):
                self._origins.hear(Origin(row.epoch, 0), self._now())  # from now on it counts as silent
            self._others.take(row)
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
        rows = [row for row in loaded.rows if row.epoch != self._epoch and not self._others.knows(row)]
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
            self._others.read(row)
        self._healing.read()
        self._others.retry()
        self._schedule()

    def _written(self, row: Row) -> None:
        (self._own if row.epoch == self._epoch else self._others).written(row)

    # Who is gone

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
            self._others.adopt(origin.epoch)
        if not in_order:
            self._metrics.bus_nodes_lost += 1
            self._healing.unread(self._now(), 1.0)
            self._host.orphaned()

    # The clock

    def _active(self) -> None:
        if self._pace.active(self._now(), shared=self.shared):
            self._schedule()

    def _schedule(self) -> None:
        """Let the timer ring when something is due next."""
        if self._closed or self._bus.alone:
            return
        due = self._pace.digest_at if self._healing.due is None else min(self._pace.digest_at, self._healing.due)
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
        if now >= self._pace.digest_at:
            self._say_digest(now)
            self._look_after_others(now)
            if self._cut_off or self._pace.audits(now):
                # Without a bus slower than with it, but nobody is cut off from the others. With one, a look whether it
                # carries what it seems to.
                self._pace.audited(now)
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
        owes = self.shared and not self.settled
        self._pace.said(now, shared=self.shared, busy=owes or self._healing.due is not None or self._cut_off)
        state = dict(self._log.state)
        committed, composer = self._own.committed, self._host.composer()
        self._say(Digest(self._life, self._number, committed, composer, state, self._deletions.hash))

    def _look_after_others(self, now: float) -> None:
        owed = self._others.epochs
        for epoch in owed - {origin.epoch for origin, _ in self._origins}:
            # What came of it joined after it had left, or is told by others only: it counts as silent from now on.
            self._origins.hear(Origin(epoch, 0), now)
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
