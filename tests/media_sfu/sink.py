"""A socket that is sent to, and one that sends there in batches."""

from __future__ import annotations

import socket

from media_sfu.udp import UdpSocket


class Sink:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._udp = UdpSocket.bind("127.0.0.1", 0)
        self.sender = self._udp._socket
        self.batch = self._udp.batch
        self.path = self._udp.path(self._socket.getsockname())

    def read(self) -> list[bytes]:
        """All that has come."""
        found: list[bytes] = []
        while True:
            try:
                found.append(self._socket.recv(2_000))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()
        self._udp.close()
