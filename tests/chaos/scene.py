"""Who is there in a run: writers with and without documents, and readers, in a dojo's room and in a room of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.chaos.checker import SETTLE_SECONDS, Verdict, check
from tests.chaos.cluster import Cluster, Node
from tests.chaos.json_people import JsonPerson
from tests.chaos.people import Gap, Person, Signs
from tests.chaos.yjs_people import YjsPerson

WITHOUT_BUS_SECONDS: Final = 12.0
"""Until what is typed at one node is seen at another without a bus: by the journal, read every few seconds."""
POLL_SECONDS: Final = 0.02
ENTER_SECONDS: Final = 15.0
"""Until everybody is in, on a busy machine."""


class Scene:
    """A cluster and its people. They are spread over the nodes."""

    def __init__(self, cluster: Cluster, random: Random) -> None:
        self.cluster = cluster
        self.writers: list[Person] = []
        self.readers: list[Person] = []
        self._random = random

    @property
    def people(self) -> list[Person]:
        return [*self.writers, *self.readers]

    def add_room(self, name: str, *, writers: int, readers: int = 0, nodes: Sequence[Node] = ()) -> list[Person]:
        """People with documents in a room of its own; they enter with `begin`."""
        nodes = nodes or self.cluster.nodes
        signs = Signs()
        made: list[Person] = []
        for number in range(writers + readers):
            write = number < writers
            place = self.cluster.room(name, write=write)
            kind = "w" if write else "r"
            person = YjsPerson(f"{kind}{len(self.people)}", place, nodes, self._numbered(), signs)
            person.node = nodes[number % len(nodes)]
            (self.writers if write else self.readers).append(person)
            made.append(person)
        return made

    async def add_dojo(self, *, yjs: int, json: int, nodes: Sequence[Node] = ()) -> list[Person]:
        """Writers of both dialects in a new dojo."""
        nodes = nodes or self.cluster.nodes
        signs = Signs()
        made: list[Person] = []
        for number, place in enumerate(await self.cluster.dojo(yjs + json)):
            person: Person
            if number < yjs:
                person = YjsPerson(f"w{len(self.people)}", place, nodes, self._numbered(), signs)
            else:
                person = JsonPerson(f"j{len(self.people)}", place, nodes, self._numbered(), signs)
            person.node = nodes[number % len(nodes)]
            self.writers.append(person)
            made.append(person)
        return made

    def _numbered(self) -> Random:
        return Random(self._random.random())

    async def begin(self, per_second: float) -> None:
        """Everybody enters, and then types."""
        for person in self.people:
            person.enter()
        async with asyncio.timeout(ENTER_SECONDS):
            for person in self.people:
                await person.in_room.wait()
        for person in self.people:
            person.listen(on=True)
        for person in self.writers:
            person.type(per_second)

    async def end(self) -> Verdict:
        """Everybody stops typing, comes back if they are away, and is compared."""
        for person in self.people:
            person.listen(on=False)
        for person in self.people:
            await person.rest()
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                for person in self.people:
                    await person.in_room.wait()
        except TimeoutError:
            pass  # the check says who is missing
        verdict = await check(self.cluster, self.people)
        for person in self.people:
            if not person.in_room.is_set():
                verdict.troubles.append(f"{person.name} did not get in again; closed with {person.closes[-3:]}")
        return verdict

    async def leave(self) -> None:
        """Everybody goes."""
        for person in self.people:
            await person.leave()

    def gaps(self, begin: float = 0.0, end: float = float("inf")) -> list[Gap]:
        """Those that began in this time."""
        return [gap for person in self.people for gap in person.gaps if begin <= gap.begin <= end]

    def longest_gap(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """In seconds; 0 if nobody ever waited long enough to count."""
        return max((gap.end - gap.begin for gap in self.gaps(begin, end)), default=0.0)

    async def until_saved(self, more: int = 1, seconds: float = ENTER_SECONDS) -> None:
        """Wait until every writer has had so many more edits saved. Raises `TimeoutError`."""
        before = {person.name: _saved(person) for person in self.writers}
        await self.until(lambda: all(_saved(person) >= before[person.name] + more for person in self.writers), seconds)

    async def until(self, condition: Callable[[], bool], seconds: float = ENTER_SECONDS) -> None:
        """Wait until this holds. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what many people were told
                await asyncio.sleep(POLL_SECONDS)

    def at(self, node: Node) -> list[Person]:
        """Who is there."""
        return [person for person in self.people if person.node is node]

    async def seen_across(self) -> None:
        """Wait until something typed at each node from now on is seen at the others. Raises `TimeoutError`."""
        one_each = [next(person for person in self.writers if person.node is node) for node in self.cluster.nodes]
        before = {person.name: len(person.ops) for person in one_each}

        def seen() -> bool:
            for author in one_each:
                deleted = {op.sign for op in author.ops if op.deletes}
                new = [op.sign for op in author.ops[before[author.name] :] if op.sign not in deleted]
                if not all(any(sign in other.text for sign in new) for other in one_each):
                    return False
            return True

        await self.until(seen, WITHOUT_BUS_SECONDS)


def _saved(person: Person) -> int:
    return sum(op.saved for op in person.ops)
