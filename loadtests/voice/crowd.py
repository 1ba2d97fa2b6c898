"""Many synthetic clients of one process: their sockets, their pace, and what they keep doing while connected."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from loadtests.voice.client import Client
from loadtests.voice.datagrams import Batch, Datagrams
from loadtests.voice.dtls import Certificate
from loadtests.voice.ear import Ear, Heard
from loadtests.voice.microphone import Microphone
from loadtests.voice.pace import Pacer

CLIENTS_PER_SOCKET: Final = 50
"""So that no socket's buffer has to take more than 50 listeners' share of a burst."""
CONSENT_SECONDS: Final = 2.5
"""Between two checks of a client, as Chromium has it."""
REPORT_SECONDS: Final = 5.0
NACK_SECONDS: Final = 0.1
"""Before a missing packet is asked for again."""
JOINS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Totals:
    """What all listeners together have received so far."""

    packets: int = 0
    octets: int = 0
    injected: int = 0
    """Packets thrown away here."""
    lost: int = 0
    """Sequence numbers that never were thrown away here and still were missing."""
    recovered: int = 0
    repeated: int = 0
    time_back: int = 0
    nacks: int = 0

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, n) - getattr(other, n) for n in self.__dataclass_fields__))


class Crowd:
    """Makes clients; an async context manager that closes them all."""

    def __init__(self, *, host: str | None = None, loss: float = 0.0, setup: str = "actpass") -> None:
        """`host`: the address all clients use, each with a socket of its own; without it, addresses of their own within
        127/8 behind few sockets."""
        self.clients: list[Client] = []
        self.microphones: list[Microphone] = []
        self.ears: list[Ear] = []
        self._host = host
        self._batch = Batch()
        self._loss = loss
        self._setup = setup
        self._certificate = Certificate.new()
        self._sockets: list[Datagrams] = []
        self._random = random.Random(1)

    async def __aenter__(self) -> Self:
        self.pacer = Pacer()
        self.pacer.add(NACK_SECONDS, NACK_SECONDS, self._ask_again)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pacer.close()
        for client in self.clients:
            client.close()
        for each in self._sockets:
            each.close()

    def client(self, *, nack: bool = False) -> Client:
        """One more, not connected yet."""
        if self._host or len(self.clients) % CLIENTS_PER_SOCKET == 0:
            opened = Datagrams(self._batch, host=self._host, loss=self._loss, seed=len(self._sockets) + 1)
            opened.start()
            self._sockets.append(opened)
        client = Client(self._sockets[-1], self._certificate, setup=self._setup, nack=nack)
        self.clients.append(client)
        return client

    def listen(self, client: Client, heard: Heard) -> None:
        """Look into everything `client` receives from now on; it is connected."""
        assert client.keys is not None
        ear = Ear(client.keys, heard)
        self.ears.append(ear)
        client.watch = ear.watch
        for stream in client.streams.values():  # those that came before its connection told us that it stands
            stream.watch = client.watch

    def speak(self, microphone: Microphone, phase: float) -> None:
        self.microphones.append(microphone)
        microphone.start(self.pacer, phase)

    def keep_up(self, client: Client) -> None:
        """Consent, receiver reports and NACKs of a connected client, at its own phase of each period."""
        self.pacer.add(self._random.uniform(0.5, CONSENT_SECONDS), CONSENT_SECONDS, client.consent)
        self.pacer.add(self._random.uniform(0.5, REPORT_SECONDS), REPORT_SECONDS, client.report)

    def _ask_again(self) -> None:
        for client in self.clients:
            if client.wants:
                client.ask_again()

    @property
    def totals(self) -> Totals:
        streams = [stream for client in self.clients for stream in client.streams.values()]
        return Totals(
            packets=sum(stream.packets for stream in streams),
            octets=sum(stream.octets for stream in streams),
            injected=sum(each.injected for each in self._sockets),
            lost=sum(stream.lost for stream in streams),
            recovered=sum(stream.recovered for stream in streams),
            repeated=sum(stream.repeated for stream in streams),
            time_back=sum(stream.time_back for stream in streams),
            nacks=sum(client.nacks for client in self.clients),
        )

    @property
    def overrun(self) -> int:
        """Packets that were lost on our own side."""
        return sum(each.overrun for each in self._sockets)


async def join_all(joining: Sequence[Callable[[], Awaitable[None]]], *, at_once: int = JOINS_AT_ONCE) -> None:
    """All of them, at most `at_once` at the same time. The first failure ends it."""
    places = asyncio.Semaphore(at_once)

    async def one(join: Callable[[], Awaitable[None]]) -> None:
        async with places:
            await join()

    async with asyncio.TaskGroup() as group:
        for join in joining:
            group.create_task(one(join))


class Quiet:
    """No garbage collection while something is measured."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
        gc.unfreeze()


async def pause_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
