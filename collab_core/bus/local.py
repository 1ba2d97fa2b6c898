"""The bus within one process, for tests and simulations: nodes that meet at an exchange, which may lose, hold back and
reorder what they say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from uuid import UUID

from collab_core.bus.port import Heard
from collab_core.identity import RoomKey

Deliver = Callable[[UUID, UUID, Callable[[], None]], None]
"""Which node says it, which is to hear it, and what delivers it: to be called once, now or later, or never, or twice.
What is delivered to a node that is down, or gone, or does not listen any more, is lost."""

logger = logging.getLogger(__name__)


def soon(_speaker: UUID, _hearer: UUID, delivery: Callable[[], None]) -> None:
    """Delivers everything in order, in the event loop's next turn."""
    asyncio.get_running_loop().call_soon(delivery)


class LocalExchange:
    """Where buses meet. `deliver` may be replaced at any time."""

    def __init__(self, deliver: Deliver = soon) -> None:
        self.deliver = deliver
        self._buses: dict[UUID, LocalBus] = {}

    def join(self, epoch: UUID) -> LocalBus:
        """A node's way to the others; it is up."""
        bus = self._buses[epoch] = LocalBus(self, epoch)
        return bus

    def leave(self, epoch: UUID) -> None:
        """The node is gone, without a word."""
        if (bus := self._buses.pop(epoch, None)) is not None:
            bus.go_down()

    def carry(self, speaker: UUID, hearer: UUID | None, key: RoomKey, message: bytes) -> None:
        """To one node, or to all that have the room open, but not back to the speaker."""
        for epoch, bus in list(self._buses.items()):
            if (epoch == hearer if hearer is not None else epoch != speaker) and bus.listens(key):
                self.deliver(speaker, epoch, partial(bus.take, key, message))


class LocalBus:
    """`collab_core.bus.port.Bus`, by way of an exchange."""

    alone = False

    def __init__(self, exchange: LocalExchange, epoch: UUID) -> None:
        self._exchange = exchange
        self._epoch = epoch
        self._heard: dict[RoomKey, Heard] = {}
        self._interrupted: list[Callable[[], None]] = []
        self._on_down: list[Callable[[], None]] = []
        self._up = True
        self.behind = False
        """As after this node was held up; to be set by whoever plays that."""

    @property
    def up(self) -> bool:
        """See the port."""
        return self._up

    async def subscribe(self, key: RoomKey, heard: Heard) -> None:
        """See the port."""
        self._heard[key] = heard

    def unsubscribe(self, key: RoomKey) -> None:
        """See the port."""
        self._heard.pop(key, None)

    def publish(self, key: RoomKey, message: bytes) -> None:
        """See the port."""
        if self._up:
            self._exchange.carry(self._epoch, None, key, message)

    def send(self, node: UUID, key: RoomKey, message: bytes) -> None:
        """See the port."""
        if self._up:
            self._exchange.carry(self._epoch, node, key, message)

    def on_down(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._on_down.append(callback)

    def on_interrupted(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._interrupted.append(callback)

    def go_down(self) -> None:
        """From now on nothing gets through, either way."""
        self._up = False
        for callback in self._on_down:
            callback()

    def come_up(self) -> None:
        """What was said meanwhile is lost, and this node is told so."""
        self._up = True
        for callback in self._interrupted:
            callback()

    def listens(self, key: RoomKey) -> bool:
        """Whether a message for this room would be heard, if it is not on its way for long."""
        return key in self._heard

    def take(self, key: RoomKey, message: bytes) -> None:
        """A message arrives."""
        heard = self._heard.get(key)
        if heard is None or not self._up:
            return
        try:
            heard(message)
        except Exception:  # one message must not cost the others theirs
            logger.exception("a message of the bus could not be taken")
