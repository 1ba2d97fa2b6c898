"""A box in the network between one client and the voice server: all datagrams pass, over a bad line each way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self

from loadtests.voice.bad_line import BadLine

Address = tuple[str, int]

_LOOPBACK: Final = "127.0.0.1"
_CANDIDATE: Final = "a=candidate:"
_CANDIDATE_WORDS: Final = 8
"""Foundation, component, transport, priority, address, port, `typ` and the type (RFC 8839, 5.1)."""


class _Side(asyncio.DatagramProtocol):
    def __init__(self, took: Callable[[bytes, Address], None]) -> None:
        self._took = took

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._took(data, address[:2])


class BadRelay:
    """An async context manager; inside, the client finds the server at `address`. Takes one client."""

    def __init__(self, server: Address, up: BadLine, down: BadLine) -> None:
        self.up = up
        self.down = down
        self.latest = 0.0
        """Seconds after its time that a packet was delivered: the line was so much worse than it should be."""
        self._server = server
        self._client: Address | None = None
        self._near: Any = None
        self._far: Any = None
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> Self:
        loop = self._loop = asyncio.get_running_loop()
        self._near, _ = await loop.create_datagram_endpoint(lambda: _Side(self._rise), local_addr=(_LOOPBACK, 0))
        self._far, _ = await loop.create_datagram_endpoint(lambda: _Side(self._fall), remote_addr=self._server)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()

    @property
    def address(self) -> Address:
        host, port = self._near.get_extra_info("sockname")[:2]
        return host, port

    def _rise(self, data: bytes, client: Address) -> None:
        self._client = client
        self._carry(self.up, lambda: self._far.sendto(data))

    def _fall(self, data: bytes, _server: Address) -> None:
        self._carry(self.down, lambda: self._near.sendto(data, self._client))

    def _carry(self, line: BadLine, deliver: Callable[[], None]) -> None:
        at = line.carry(self._loop.time())
        if at is not None:
            self._loop.call_at(at, self._deliver, at, deliver)

    def _deliver(self, at: float, deliver: Callable[[], None]) -> None:
        if not self._near.is_closing():  # what is under way at the end never arrives
            self.latest = max(self.latest, self._loop.time() - at)
            deliver()


def only_way(answer: str, through: Address) -> str:
    """The SDP `answer`, whose candidates are all one: UDP to `through`."""
    lines: list[str] = []
    for line in answer.replace("\r\n", "\n").rstrip("\n").split("\n"):
        if line.startswith(_CANDIDATE):
            if any(before.startswith(_CANDIDATE) for before in lines):
                continue
            words = line.split(" ")[:_CANDIDATE_WORDS]
            words[2], words[4], words[5] = "udp", through[0], str(through[1])
            lines.append(" ".join(words))
        else:
            lines.append(line)
    return "\r\n".join([*lines, ""])


def host_candidate(answer: str) -> Address:
    """Where an SDP `answer` wants UDP sent. Raises `ValueError`."""
    for line in answer.replace("\r\n", "\n").split("\n"):
        words = line.split(" ")
        if line.startswith(_CANDIDATE) and words[2].lower() == "udp":
            return words[4], int(words[5])
    raise ValueError("the answer has no UDP candidate")
