"""Addresses that were asked for: had, or refused with the name of the setting, before anything is started."""

from __future__ import annotations

import errno
import socket

BACKLOG = 512
"""Connections that may wait while the page's process is restarted."""


class PortTaken(Exception):
    """An address cannot be listened on; the text says which setting asked for it."""


def listen(host: str, port: int, *, asked_by: str) -> socket.socket:
    """A listening socket on `host` and `port` (0: any free one). Raises `PortTaken`.

    Held by the supervisor and inherited by the child that serves it, it outlives that child: a restart refuses nobody.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise PortTaken(f"cannot listen on {host}: {error.strerror}; choose another host") from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Connections of a former server that are still winding down are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise PortTaken(f"port {port} on {host} {why}; choose another with {asked_by}, 0 for any free one") from error
    return listener


def check(host: str, port: int, *, asked_by: str) -> None:
    """Raise `PortTaken` if a child could not listen there now."""
    if port:
        listen(host, port, asked_by=asked_by).close()


def url(scheme: str, host: str, port: int) -> str:
    """`http://127.0.0.1:8080`; an address for all interfaces is shown as this machine's own."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
