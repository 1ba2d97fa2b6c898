"""Handshakes one after the other: a step of one costs half a millisecond and more, and media must not wait for fifty.

Each turn of the event loop reads the sockets before it runs what waits for it. So one datagram of DTLS per turn means
that packets of media wait for one step of a handshake at most, however many people join at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

MOST_WAITING: Final = 16
"""Datagrams of one peer. A client's longest flight is some five of them."""


class Receiver(Protocol):
    """Whoever reads the datagrams of one handshake."""

    def __hash__(self) -> int: ...

    def receive(self, data: bytes) -> None: ...


class Handshakes:
    """Datagrams of DTLS wait here for their turn: in their order for each receiver, in rotation among receivers."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """`soon` calls back in the next turn, as `AbstractEventLoop.call_soon` does."""
        self._soon = soon
        self._waiting: dict[Receiver, deque[bytes]] = {}
        self.dropped = 0

    def put(self, receiver: Receiver, data: bytes) -> None:
        """`receiver` gets it soon; beyond `MOST_WAITING` it is dropped, as any network may: DTLS sends again."""
        waiting = self._waiting.get(receiver)
        if waiting is None:
            if not self._waiting:
                self._soon(self._turn)
            self._waiting[receiver] = deque((data,))
        elif len(waiting) < MOST_WAITING:
            waiting.append(data)
        else:
            self.dropped += 1

    def _turn(self) -> None:
        receiver = next(iter(self._waiting))
        letters = self._waiting.pop(receiver)
        data = letters.popleft()
        if letters:
            self._waiting[receiver] = letters
        if self._waiting:
            self._soon(self._turn)
        receiver.receive(data)
