"""From a trace to what each agent's Yjs client sends, and what it must have seen before it sends it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from pycrdt import Doc, Text, TransactionEvent

from loadtests.lib0 import read_varuint
from loadtests.trace import Patch, Trace


@dataclass(frozen=True, slots=True)
class Keystroke:
    """One transaction as one Yjs update.

    `needs` tells, per other client id, the clock its author had received when typing it; `pause` is in seconds.
    """

    update: bytes
    needs: tuple[tuple[int, int], ...]
    pause: float


@dataclass(frozen=True, slots=True)
class Script:
    """Everything one agent types, in order, under one client id."""

    client_id: int
    keystrokes: tuple[Keystroke, ...]


class NotLinear(ValueError):
    """An agent typed without having seen what it typed before: no single Yjs client can do that."""


def scripts(trace: Trace, root: str, first_client_id: int) -> list[Script]:
    """Type the trace offline: one document per agent, fed exactly the parents' closure before each transaction.

    Updates reach a document in the trace's own order, which is causal: pycrdt loses text for good otherwise.
    Client ids ascend with the agents' numbers, because concurrent inserts at one place are ordered by client id and
    the recorded text was merged that way. Raises `NotLinear`.
    """
    agents = [_Agent(first_client_id + number, root) for number in range(trace.agents)]
    seen: list[tuple[int, ...]] = []  # per transaction: how many of each agent's transactions its state holds
    for transaction in trace.transactions:
        closure = [max((seen[parent][a] for parent in transaction.parents), default=0) for a in range(trace.agents)]
        author = agents[transaction.agent]
        if closure[transaction.agent] != len(author.typed):
            raise NotLinear(f"agent {transaction.agent} had not seen its own last transaction")
        needs = []
        for number, other in enumerate(agents):
            if other is author:
                continue
            for update in other.updates[author.received[number] : closure[number]]:
                author.doc.apply_update(update)
            author.received[number] = closure[number]
            if closure[number]:
                needs.append((other.client_id, other.clocks[closure[number] - 1]))
        author.type(transaction.patches, tuple(needs), transaction.pause)
        closure[transaction.agent] += 1
        seen.append(tuple(closure))
    return [Script(agent.client_id, tuple(agent.typed)) for agent in agents]


class _Agent:
    def __init__(self, client_id: int, root: str) -> None:
        self.client_id = client_id
        self.doc: Doc[Text] = Doc(client_id=client_id)
        self.text = self.doc.get(root, type=Text)
        self.typed: list[Keystroke] = []
        self.updates: list[bytes] = []
        self.clocks: list[int] = []
        self.received: dict[int, int] = defaultdict(int)
        self._emitted: list[bytes] = []
        self._subscription = self.doc.observe(self._observed)

    def _observed(self, event: TransactionEvent) -> None:
        self._emitted.append(event.update)

    def type(self, patches: tuple[Patch, ...], needs: tuple[tuple[int, int], ...], pause: float) -> None:
        self._emitted.clear()
        with self.doc.transaction():
            for patch in patches:
                start, end = _byte_range(str(self.text), patch)
                if end > start:
                    del self.text[start:end]
                if patch.inserted:
                    self.text.insert(start, patch.inserted)
        update = b"".join(self._emitted)  # one transaction, one update; none if nothing changed
        assert len(self._emitted) <= 1
        self.updates.append(update)
        self.clocks.append(clocks(self.doc.get_state()).get(self.client_id, 0))
        self.typed.append(Keystroke(update, needs, pause))


def _byte_range(text: str, patch: Patch) -> tuple[int, int]:
    """pycrdt counts UTF-8 bytes where the trace counts code points."""
    end = patch.position + patch.deleted
    if text.isascii():
        return patch.position, end
    start = len(text[: patch.position].encode())
    return start, start + len(text[patch.position : end].encode())


def clocks(state_vector: bytes) -> dict[int, int]:
    """A state vector as {client id: clock}. Raises `Truncated`."""
    count, at = read_varuint(state_vector, 0)
    found = {}
    for _ in range(count):
        client, at = read_varuint(state_vector, at)
        found[client], at = read_varuint(state_vector, at)
    return found
