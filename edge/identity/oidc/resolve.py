"""Names to addresses, off the event loop and apart from everybody else's threads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> its numeric addresses. Raises `OSError` when there are none."""

_THREADS: Final = 4
"""Look-ups at once. A name server that hangs keeps a thread for its 10-20 s: only these, not the process's own pool."""


class SystemResolver:
    """The machine's resolver, asked once per exchange."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="oidc-resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _lookup, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """No more look-ups; one under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _lookup(host: str, port: int) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError as error:
        raise OSError("not a host name") from error
