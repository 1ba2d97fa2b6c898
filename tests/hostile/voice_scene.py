"""A room in which Ana speaks and Ben listens while Mallory, who was let in, and strangers do what they can."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import Final, Self

from loadtests.voice import session_description, speech
from loadtests.voice.client import Client
from loadtests.voice.crowd import Crowd
from loadtests.voice.datagrams import ClientAddress
from loadtests.voice.microphone import Microphone
from loadtests.voice.session_description import LEVEL_ID, OPUS
from loadtests.voice.speech import Spoken
from loadtests.voice.streams import Stream
from tests.media_sfu.live_hall import LiveHall, running_hall, until

ANA: Final = 1
BEN: Final = 2
MALLORY: Final = 3

HEARD_SECONDS: Final = 5.0
"""Until what was said last is heard, on a busy machine."""
MEDIAN_SECONDS: Final = 0.02
LATE_SECONDS: Final = 0.5
"""What one packet in a hundred may be late: all of them, and the attack, are sent and read by this one process. A gap
is not tolerated at all."""
FRAMES: Final = 40
"""Of speech that a test takes at least: 0.8 s."""
HEADER: Final = struct.Struct("!BBHII")
_LEVEL: Final = struct.Struct("!HHBBxx")
BURST: Final = 25
PAUSE_SECONDS: Final = 0.005
"""Between bursts: some 5,000 datagrams a second, a hundred times what a speaker sends."""
TAPE: Final = 1_000


@dataclass(slots=True)
class Talk:
    """`heard`: the number of each frame of Ana's that came to Ben, in order, and for how many seconds it was under
    way."""

    stage: LiveHall
    crowd: Crowd
    ana: Client
    ben: Client
    mallory: Client
    microphone: Microphone
    tape: Tape
    heard: list[tuple[int, float]] = field(default_factory=list)
    hers: Stream | None = None
    """The stream of Ben's that she is heard in."""

    @property
    def server(self) -> tuple[str, int]:
        return self.stage.address

    @asynccontextmanager
    async def undisturbed(self, *, others: bool = True) -> AsyncIterator[None]:
        """All that Ana says in the block, and long enough after it, is heard by Ben, in order and in time. `others`:
        and no stream of his has a gap."""
        spoken = self.microphone
        first = spoken.sent + 1
        yield
        await until(lambda: spoken.sent >= first + FRAMES, HEARD_SECONDS, "Ana goes on speaking")
        last = spoken.sent
        await until(lambda: bool(self.heard) and self.heard[-1][0] >= last, HEARD_SECONDS, f"Ben hears frame {last}")
        within = [(number, delay) for number, delay in self.heard if first <= number <= last]
        numbers = [number for number, _ in within]
        assert numbers == list(range(first, last + 1)), f"Ben missed {sorted({*range(first, last + 1)} - {*numbers})}"
        delays = [delay for _, delay in within]
        assert median(delays) <= MEDIAN_SECONDS, f"half of what was said took longer than {median(delays):.3f} s"
        assert quantiles(delays, n=100)[-1] <= LATE_SECONDS, f"the latest took {max(delays):.3f} s"
        assert self.crowd.overrun == 0, "packets were lost on the way to Ben, who is in this process"
        for stream in self.ben.streams.values():
            if others or stream is self.hers:
                assert (stream.lost, stream.repeated, stream.time_back) == (0, 0, 0)

    def tables(self) -> dict[str, int]:
        """How much the hall remembers."""
        hall, udp = self.stage.hall, self.stage.udp
        return {
            "peers": len(hall.peers),
            "rooms": len(hall.rooms),
            "addresses": len(hall.whereabouts),
            "paths": len(udp._paths),
            "handshakes": len(hall.handshakes._waiting),
        }

    def useless(self) -> int:
        """Datagrams that were nobody's, or nothing."""
        hall = self.stage.hall
        counts = hall.counts.unknown + hall.counts.malformed
        return counts + hall.whereabouts.unknown + hall.whereabouts.malformed


class Tape:
    """What a client sends, the last of it: STUN, DTLS, SRTP and SRTCP as they are on the wire."""

    def __init__(self, client: Client) -> None:
        self.sent: list[bytes] = []
        self._address = client.address
        client.address = self  # type: ignore[assignment]  # it is asked for no more than is here
        self.host = self._address.host
        self.add_stream = self._address.add_stream
        self.leave = self._address.leave

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.sent.append(data)
        del self.sent[:-TAPE]
        self._address.send(data, to)

    @property
    def address(self) -> ClientAddress:
        """To send from her address what she did not say: what a forged sender's address is to the server."""
        return self._address

    def first(self, of: Iterable[int]) -> list[bytes]:
        """Datagrams whose first byte is in `of`."""
        return [data for data in self.sent if data[0] in of]


class Strangers:
    """UDP ports of loopback. Used as a context manager."""

    def __init__(self, count: int, to: tuple[str, int]) -> None:
        self.ports = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for port in self.ports:
            port.setblocking(False)
            port.bind(("127.0.0.1", 0))
        self._to = to

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for port in self.ports:
            port.close()

    def sends(self, datagrams: Iterable[bytes]) -> Iterable[Callable[[], object]]:
        """Each from the next port."""
        for port, data in zip(itertools.cycle(self.ports), datagrams, strict=False):
            yield partial(port.sendto, data, self._to)

    def answers(self) -> Counter[int]:
        """How many datagrams have come to each port since it was asked last."""
        found: Counter[int] = Counter()
        for number, port in enumerate(self.ports):
            while True:
                try:
                    port.recv(2_048)
                except BlockingIOError:
                    break
                found[number] += 1
        return found


def saying(address: ClientAddress, datagrams: Iterable[bytes], to: tuple[str, int]) -> Iterable[Callable[[], object]]:
    """Each from one address."""
    return (partial(address.send, data, to) for data in datagrams)


async def paced(sends: Iterable[Callable[[], object]]) -> int:
    """All of them, some 5,000 a second; how many they were."""
    count = 0
    for send in sends:
        send()
        count += 1
        if count % BURST == 0:
            await asyncio.sleep(PAUSE_SECONDS)
    return count


@asynccontextmanager
async def talking() -> AsyncIterator[Talk]:
    """Ana is heard by Ben; Mallory is connected and says nothing yet."""
    async with running_hall() as stage, Crowd() as crowd:
        ana, ben, mallory = crowd.client(), crowd.client(nack=True), crowd.client(nack=True)
        tape = Tape(ana)
        for number, client in ((ANA, ana), (BEN, ben), (MALLORY, mallory)):
            await join(stage, number, client, anonymous=client is mallory)
            crowd.keep_up(client)
        talk = Talk(stage, crowd, ana, ben, mallory, Microphone(ana, ANA, level_id=LEVEL_ID), tape)

        def heard(stream: Stream, spoken: Spoken, at: int) -> None:
            if spoken.speaker == ANA:
                talk.hers = stream
                talk.heard.append((spoken.number, (at - spoken.at) / 1e9))

        crowd.listen(ben, heard)
        crowd.speak(talk.microphone, 0.5)
        await until(lambda: len(talk.heard) > 10, HEARD_SECONDS, "Ben hears Ana")
        yield talk


async def join(stage: LiveHall, number: int, client: Client, *, anonymous: bool = False) -> None:
    """`anonymous`: the offer does not say which SSRC it sends, so that any might be its."""
    offer = session_description.offer(client.own, sends=True, slots=3)
    if anonymous:
        offer = "\r\n".join(line for line in offer.split("\r\n") if not line.startswith("a=ssrc:"))
    await client.connect(session_description.read(stage.admit(number, offer).answer))


def noise(seed: int) -> random.Random:
    """Made anew for each test, so that each fails alone as it does among the others."""
    return random.Random(seed)


def packet(ssrc: int, sequence: int, timestamp: int, *, level: int = 20) -> bytes:
    """A frame of speech as Mallory's microphone would have it."""
    head = HEADER.pack(0x90, OPUS, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    spoken = Spoken(MALLORY, sequence & 0xFFFFFFFF, time.time_ns())
    return head + _LEVEL.pack(0xBEDE, 1, LEVEL_ID << 4, 0x80 | level) + speech.speech(spoken)
