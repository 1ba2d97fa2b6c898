"""Many clients behind one socket: each at its own address, RTP counted, everything else handed on."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from loadtests.voice.datagrams import Batch, ClientAddress, Datagrams
from loadtests.voice.streams import LATE, Stream

DEADLINE_SECONDS = 5.0


class Owner:
    def __init__(self) -> None:
        self.others: list[tuple[bytes, tuple[str, int]]] = []
        self.missing: list[int] = []

    def other(self, data: bytes, address: tuple[str, int], arrived: int) -> None:
        self.others.append((data, address))

    def found_missing(self, stream: Stream, numbers: list[int]) -> None:
        self.missing += numbers


def rtp(sequence: int, ssrc: int = 7) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence & 0xFFFF, sequence * 960, ssrc) + bytes(50)


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {DEADLINE_SECONDS} s"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(*, loss: float = 0.0) -> AsyncIterator[tuple[Datagrams, socket.socket]]:
    datagrams = Datagrams(Batch(), loss=loss)
    datagrams.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(DEADLINE_SECONDS)
        try:
            yield datagrams, server
        finally:
            datagrams.close()


def followed(address: ClientAddress, *, first: int = 0) -> Stream:
    stream = Stream(7, first, first * 960)
    address.add_stream(stream)
    return stream


async def test_clients_are_told_apart_by_address() -> None:
    async with opened() as (datagrams, server):
        owners = [Owner(), Owner()]
        addresses = [datagrams.settle(owner) for owner in owners]

        addresses[0].send(b"from the first", server.getsockname())
        _, seen = server.recvfrom(100)
        server.sendto(b"to the second one", (addresses[1].host, addresses[1].port))
        await until(lambda: bool(owners[1].others), "the second has its packet")

        assert seen == (addresses[0].host, datagrams.port)
        assert addresses[0].host != addresses[1].host
        assert owners[0].others == []
        assert owners[1].others == [(b"to the second one", server.getsockname())]


async def test_rtp_of_known_streams_is_counted_where_it_belongs() -> None:
    async with opened() as (datagrams, server):
        owners = [Owner(), Owner()]
        addresses = [datagrams.settle(owner) for owner in owners]
        streams = [followed(address) for address in addresses]

        for number in (0, 1, 4, 2, 5):
            server.sendto(rtp(number), (addresses[1].host, addresses[1].port))
        await until(lambda: streams[1].packets == 5, "five packets are counted")

        assert streams[0].packets == 0
        assert (streams[1].octets, streams[1].lost, streams[1].recovered) == (5 * 62, 2, 1)
        assert (streams[1].missing, streams[1].time_back) == ({3}, 0)
        assert owners[1].missing == [2, 3]
        assert datagrams.packets == 5
        assert datagrams.overrun == 0


async def test_a_watch_gets_whole_packets_and_when_they_arrived() -> None:
    seen: list[tuple[bytes, int]] = []
    async with opened() as (datagrams, server):
        address = datagrams.settle(Owner())
        stream = followed(address)
        stream.watch = lambda stream, data, arrived: seen.append((data, arrived))

        before = time.time_ns()
        for number in (0, 2, 1):
            server.sendto(rtp(number), (address.host, address.port))
        await until(lambda: len(seen) == 3, "three packets are seen")

        assert [data for data, _ in seen] == [rtp(0), rtp(2), rtp(1)]
        assert before <= seen[0][1] <= seen[1][1] <= time.time_ns()
        assert seen[2][1] == LATE


async def test_the_wanted_share_is_thrown_away() -> None:
    async with opened(loss=0.1) as (datagrams, server):
        address = datagrams.settle(Owner())
        stream = followed(address)

        for number in range(2_000):
            server.sendto(rtp(number), (address.host, address.port))
            if number % 100 == 99:
                await asyncio.sleep(0)
        await until(lambda: datagrams.packets == 2_000, "all have come")

        assert 130 <= stream.thrown <= 270
        assert stream.packets == 2_000 - stream.thrown
        assert stream.lost == 0


async def test_who_left_hears_nothing_more() -> None:
    async with opened() as (datagrams, server):
        gone, there = Owner(), Owner()
        address, other = datagrams.settle(gone), datagrams.settle(there)
        stream = followed(address)
        address.leave()

        server.sendto(rtp(0), (address.host, address.port))
        server.sendto(b"a later packet", (other.host, other.port))
        await until(lambda: bool(there.others), "the later packet is there")

        assert gone.others == []
        assert stream.packets == 0
