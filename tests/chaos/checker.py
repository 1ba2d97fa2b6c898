"""After the trouble: all clients, all nodes and the journal have the same text, and all that was saved is in it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pycrdt import Doc, Text

from collab_core.merge import merge
from tests.chaos.cluster import EVICT_SECONDS, Cluster, Place
from tests.chaos.people import SIGNS, Person
from tests.chaos.yjs_people import texts_there

SETTLE_SECONDS: Final = 45.0
"""From the end of all trouble until everything is saved and everyone agrees. The longest pause between two tries of a
node to heal a room is 15 s."""
EMPTY_SECONDS: Final = EVICT_SECONDS + 15.0
"""From the last member's leaving until no node has a room open."""
_POLL_SECONDS: Final = 0.05


@dataclass
class Verdict:
    """What was found. Empty lists are good."""

    divergences: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Saved and not there, or deleted, saved, and there."""
    twice: list[str] = field(default_factory=list)
    """Typed once, there more than once."""
    remade: list[str] = field(default_factory=list)
    """There twice because somebody without a document sent it again elsewhere: the node that had it was frozen with
    the edit unread, so that no other could know it, and took it when it woke."""
    troubles: list[str] = field(default_factory=list)
    made: int = 0
    saved: int = 0
    gone: list[str] = field(default_factory=list)
    """Taken, as an answer said, but never saved, and not there: what a client without a document may lose."""
    settled_seconds: float = 0.0
    texts: dict[str, str] = field(default_factory=dict)
    """By room, as the journal has them."""

    @property
    def good(self) -> bool:
        """Nothing lost, nobody differs."""
        return not (self.divergences or self.lost or self.twice or self.troubles)

    def __str__(self) -> str:
        lines = [f"{self.made} edits, {self.saved} saved, agreed after {self.settled_seconds:.1f} s"]
        for name in ("divergences", "lost", "twice", "remade", "gone", "troubles"):
            found: list[str] = getattr(self, name)
            lines.append(f"{name}: {len(found)} {found[:12] if found else ''}")
        return "\n".join(lines)


async def check(cluster: Cluster, people: Sequence[Person]) -> Verdict:
    """Of everybody, room by room. They have stopped typing and are still there; all trouble is over."""
    verdict = Verdict()
    begun = time.monotonic()
    late = [person for person in people if not await _until(lambda p=person: p.all_saved, begun + SETTLE_SECONDS)]  # type: ignore[misc]
    for person in late:
        open_ops = [str(op) for op in person.ops if not op.saved]
        verdict.troubles.append(f"{person.name} at node {person.node.number}: not saved: {open_ops[:5]}")
    for key in dict.fromkeys(person.place.key for person in people):
        here = [person for person in people if person.place.key == key]
        await _check_room(cluster, here, verdict, begun + SETTLE_SECONDS)
    verdict.settled_seconds = time.monotonic() - begun
    for person in people:
        verdict.troubles.extend(f"{person.name}: {trouble}" for trouble in person.troubles)
        verdict.made += len(person.ops)
        verdict.saved += sum(op.saved for op in person.ops)
    return verdict


async def _check_room(cluster: Cluster, people: Sequence[Person], verdict: Verdict, deadline: float) -> None:
    place = people[0].place
    texts: dict[str, str] = {}

    async def agreed() -> bool:
        texts.clear()
        texts["journal"] = await _journal_text(cluster, place)
        texts.update({person.name: person.text for person in people})
        return len(set(texts.values())) == 1

    while not await agreed() and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
        await asyncio.sleep(_POLL_SECONDS * 4)
    for node in cluster.nodes:
        if node.serves_all:
            texts[f"node {node.number}"] = await texts_there(place, node, SETTLE_SECONDS)
    text = verdict.texts[place.key.room] = texts["journal"]
    for name, other in texts.items():
        if other != text:
            verdict.divergences.append(f"{place.key.room}: {name} has {_difference(other, text)} against the journal")
    check_signs(people, text, verdict)


def check_signs(people: Sequence[Person], text: str, verdict: Verdict) -> None:
    """What is missing from a text, and what is in it too often."""
    found = _signs(text)
    remade = {op.sign for person in people for op in person.ops if op.remade}
    for sign in (sign for sign, times in found.items() if times > 1):
        (verdict.remade if sign in remade else verdict.twice).append(f"U+{ord(sign):X}")
    for person in people:
        deleted = {op.sign for op in person.ops if op.deletes}
        for op in person.ops:
            if op.deletes:
                if op.saved and op.sign in found:
                    verdict.lost.append(f"{person.name}: {op}")
            elif op.sign not in found and op.sign not in deleted:
                if op.saved:
                    verdict.lost.append(f"{person.name}: {op}")
                elif op.taken:
                    verdict.gone.append(f"{person.name}: {op}")


def _signs(text: str) -> Counter[str]:
    return Counter(sign for sign in text if any(ord(sign) in signs for signs in SIGNS))


def _difference(text: str, journal: str) -> str:
    mine, theirs = _signs(text), _signs(journal)
    if mine == theirs:
        return "another order"
    return f"{(mine - theirs).total()} more and {(theirs - mine).total()} less"


async def _journal_text(cluster: Cluster, place: Place) -> str:
    journal = await cluster.journal()
    try:
        loaded = await journal.load(place.key)
    finally:
        await journal.close()
    doc: Doc[Text] = Doc()
    doc.apply_update(merge([loaded.base, *loaded.updates]))
    return str(doc.get(place.root, type=Text))


async def emptied(cluster: Cluster) -> dict[int, dict[str, float]]:
    """Once everybody has left: wait until no node has a room or a member; what is left of each where that fails."""
    left: dict[int, dict[str, float]] = {}

    async def empty() -> bool:
        left.clear()
        for node in cluster.nodes:
            metrics = await node.metrics()
            gauges = {
                name: metrics[name]
                for name in ("dojo_rooms", "dojo_members", "dojo_journal_backlog_bytes", "dojo_bus_channels")
                if metrics.get(name)
            }
            if gauges:
                left[node.number] = gauges
        return not left

    deadline = time.monotonic() + EMPTY_SECONDS
    while not await empty() and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
        await asyncio.sleep(_POLL_SECONDS * 4)
    return left


async def _until(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
