"""A listening socket that takes a few connections at a time.

The event loops' own servers take all that wait before anything else happens: after a reconnect storm's first second,
thousands, and a tenth of a second in which nobody's edit moves. Here the kernel keeps them, and each turn of the event
loop takes a few.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

BACKLOG: Final = 4_096
"""Connections the kernel may keep, if its own bound (net.core.somaxconn) is not lower."""
AT_ONCE: Final = 4
"""Connections taken in one turn of the event loop: about a third of a millisecond."""
EXHAUSTED_SECONDS: Final = 1.0
"""Until it is tried again when there are no descriptors or buffers left."""
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = logging.getLogger(__name__)


class Acceptor:
    """Listens from `start` to `close`."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        own: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`protocol` makes what each connection speaks. `own` runs the few steps until it does."""
        self._protocol = protocol
        self._own = own
        self._listening: list[socket.socket] = []
        self._pauses: set[asyncio.TimerHandle] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of `host`; the port, which matters if 0 was asked for. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                listening = socket.socket(family, kind, protocol)
                self._listening.append(listening)
                listening.setblocking(False)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind(address)
                listening.listen(BACKLOG)
        except OSError:
            self.close()
            raise
        for listening in self._listening:
            self._listen(listening)
        return int(self._listening[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more. What the kernel kept is reset."""
        loop = asyncio.get_running_loop()
        for pause in self._pauses:
            pause.cancel()
        self._pauses.clear()
        listening, self._listening = self._listening, []
        for each in listening:
            loop.remove_reader(each)
            each.close()

    def _listen(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(listening, error)
                return
            accepted.setblocking(False)
            self._own(self._connect(accepted))

    async def _connect(self, accepted: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        log.error("no connection is taken for %g s: %s", EXHAUSTED_SECONDS, error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def go_on() -> None:
            self._pauses.discard(pause)
            self._listen(listening)

        pause = loop.call_later(EXHAUSTED_SECONDS, go_on)
        self._pauses.add(pause)
