"""A controlling client for the ICE agent's tests; another STUN implementation (aioice) makes its answers."""

from __future__ import annotations

import os

from aioice import stun as peer

from media_sfu import ice, stun
from media_sfu.ice import Credentials, IceAgent, Send
from media_sfu.stun import Klass, Message

PRIORITY = 0x7E7F00FF
ADDRESS = ("192.0.2.5", 4_000)


class Client:
    """A full, controlling agent at the other end, as browsers are."""

    def __init__(self) -> None:
        self.server = Credentials.new()
        self.own = Credentials.new()
        self.agent = IceAgent(self.server, self.own, now=100.0)

    def request(
        self,
        *,
        username: str | None = None,
        password: str | None = None,
        priority: int | None = PRIORITY,
        controlling: int | None = 5,
        controlled: int | None = None,
        nominate: bool = False,
    ) -> bytes:
        return stun.request(
            os.urandom(12),
            username=username or f"{self.server.fragment}:{self.own.fragment}",
            password=(password or self.server.password).encode(),
            priority=priority,
            controlling=controlling,
            controlled=controlled,
            use_candidate=nominate,
        )

    def ask(self, path: str, now: float, *, nominate: bool = False) -> list[Send]:
        return self.agent.receive(self.request(nominate=nominate), path, ADDRESS, now)

    def answer(self, check: bytes, password: str | None = None) -> bytes:
        built = peer.Message(peer.Method.BINDING, peer.Class.RESPONSE, stun.parse(check).transaction)
        built.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.1", 8082)
        built.add_message_integrity((password or self.own.password).encode())
        return bytes(built)

    def validate(self, path: str, now: float, *, nominate: bool = False) -> None:
        for send in self.ask(path, now, nominate=nominate):
            if stun.parse(send.data).klass is Klass.REQUEST:
                assert self.agent.receive(self.answer(send.data), path, ADDRESS, now) == []
        assert self.agent.valid(path)

    def nominated(self) -> ice.Path | None:
        return self.agent.nominated

    def fragments(self) -> tuple[str, ...]:
        return self.agent.fragments

    def restart(self) -> None:
        self.server, self.own = Credentials.new(), Credentials.new()
        self.agent.restart(self.server, self.own)


def only(sends: list[Send]) -> Message:
    (send,) = sends
    return stun.parse(send.data)
