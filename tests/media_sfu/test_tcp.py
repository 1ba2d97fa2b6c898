import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress

import pytest

from media_sfu import tcp
from media_sfu.framing import FRAME_MOST, Deframer, frame
from media_sfu.tcp import TcpListener, TcpPath
from media_sfu.udp import UdpSocket

DEADLINE_SECONDS = 5.0


class Listening:
    """A listener on a real socket, and what it told."""

    def __init__(self) -> None:
        self.packets: list[tuple[bytes, TcpPath]] = []
        self.closed: list[TcpPath] = []
        self.answer: Callable[[bytes, TcpPath], None] = lambda data, path: None
        self.listener: TcpListener
        self._changed = asyncio.Event()

    def on_datagram(self, data: bytes, path: TcpPath) -> None:
        self.packets.append((data, path))
        self._changed.set()
        self.answer(data, path)

    def on_closed(self, path: TcpPath) -> None:
        self.closed.append(path)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", *, seconds: float = 15.0, connections: int = 100, unvalidated: int = 100
) -> AsyncIterator[Listening]:
    made = Listening()
    made.listener = TcpListener(
        made.on_datagram,
        made.on_closed,
        unvalidated_seconds=seconds,
        connections=connections,
        unvalidated=unvalidated,
    )
    await made.listener.listen(host, 0)
    try:
        yield made
    finally:
        await made.listener.close()


class Caller:
    """A client: frames out, packets in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._deframer = Deframer(65_535)
        self._packets: list[bytes] = []

    @classmethod
    async def to(cls, made: Listening, host: str = "127.0.0.1") -> "Caller":
        return cls(*await asyncio.open_connection(host, made.listener.address[1]))

    async def packet(self) -> bytes:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self._packets:
                data = await self.reader.read(65_536)
                assert data, "the connection was closed"
                self._packets += self._deframer.feed(data)
        return self._packets.pop(0)

    async def until_closed(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            with suppress(ConnectionError):
                while await self.reader.read(65_536):
                    pass

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def test_packets_come_whole_however_the_stream_is_cut() -> None:
    async with listening() as made:
        caller = await Caller.to(made)
        wanted = [bytes([number]) * (1 + 13 * number) for number in range(100)]
        stream = b"".join(frame(packet) for packet in wanted)
        for at in range(0, len(stream), 997):
            caller.writer.write(stream[at : at + 997])
            await caller.writer.drain()
        await made.until(lambda: len(made.packets) == 100)
        assert [data for data, _ in made.packets] == wanted
        assert len({path for _, path in made.packets}) == 1
        await caller.close()
        await made.until(lambda: len(made.closed) == 1)


async def test_answers_come_back_framed_and_in_order() -> None:
    async with listening() as made:
        made.answer = lambda data, path: path.send(b"re:" + data)
        callers = [await Caller.to(made) for _ in range(3)]
        for number in range(20):
            for index, caller in enumerate(callers):
                caller.writer.write(frame(bytes([index, number])))
        for index, caller in enumerate(callers):
            assert [await caller.packet() for _ in range(20)] == [b"re:" + bytes([index, n]) for n in range(20)]
            await caller.close()


@pytest.mark.parametrize(("bound", "host"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")])
async def test_a_path_knows_both_addresses(bound: str, host: str) -> None:
    async with listening(bound) as made:
        caller = await Caller.to(made, host)
        caller.writer.write(frame(b"hello"))
        await made.until(lambda: len(made.packets) == 1)
        path = made.packets[0][1]
        assert path.address == caller.writer.get_extra_info("sockname")[:2]
        assert path.local == host
        await caller.close()


async def test_a_batch_of_datagrams_hands_it_what_is_its() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as udp:
        async with listening() as made:
            caller = await Caller.to(made)
            caller.writer.write(frame(b"hello"))
            await made.until(lambda: len(made.packets) == 1)
            udp.batch.put(made.packets[0][1], b"not by UDP")
            assert udp.batch.flush() == 0
            assert await caller.packet() == b"not by UDP"
            await caller.close()


async def test_a_slow_reader_loses_whole_packets_and_holds_a_bounded_buffer() -> None:
    async with listening() as made:
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, made.listener.address)
        await loop.sock_sendall(opened, frame(b"hello"))
        await made.until(lambda: len(made.packets) == 1)
        path = made.packets[0][1]
        sent = 5_000
        for number in range(sent):
            path.send(number.to_bytes(4, "big") * 300)
            assert path._transport is not None
            assert path._transport.get_write_buffer_size() <= tcp.UNSENT_MOST
        assert 0 < path.dropped < sent
        # What did come is whole and in order, and there is room again afterwards.
        caller = Caller(*await asyncio.open_connection(sock=opened))
        kept = [await caller.packet() for _ in range(sent - path.dropped)]
        numbers = [int.from_bytes(packet[:4], "big") for packet in kept]
        assert numbers == sorted(set(numbers))
        assert all(packet == packet[:4] * 300 for packet in kept)
        path.send(b"room again")
        assert await caller.packet() == b"room again"
        await caller.close()


async def test_an_oversize_frame_closes_the_connection() -> None:
    async with listening() as made:
        caller, other = await Caller.to(made), await Caller.to(made)
        caller.writer.write(frame(b"good") + frame(bytes(FRAME_MOST)) + frame(bytes(FRAME_MOST + 1)) + frame(b"never"))
        await caller.until_closed()
        await made.until(lambda: len(made.closed) == 1)
        assert b"never" not in [data for data, _ in made.packets]
        assert made.listener.oversize == 1
        path = made.closed[0]
        path.send(b"too late")
        assert path.dropped == 1
        assert not path.open
        other.writer.write(frame(b"still here"))
        await made.until(lambda: b"still here" in [data for data, _ in made.packets])
        await caller.close()
        await other.close()


async def test_nobody_validated_in_time_closes_it_and_a_validated_one_stays() -> None:
    async with listening(seconds=0.1) as made:
        caller, silent = await Caller.to(made), await Caller.to(made)
        made.answer = lambda data, path: path.validated()
        caller.writer.write(frame(b"hello"))
        await silent.until_closed()
        await made.until(lambda: len(made.closed) == 1)
        assert (made.listener.expired, made.listener.connections, made.listener.unvalidated) == (1, 1, 0)
        made.answer = lambda data, path: path.send(b"re:" + data)
        caller.writer.write(frame(b"later"))
        assert await caller.packet() == b"re:later"
        await caller.close()
        await silent.close()


async def test_idle_strangers_do_not_keep_a_peer_out() -> None:
    async with listening(unvalidated=3) as made:
        strangers = [await Caller.to(made) for _ in range(3)]
        for stranger in strangers:
            stranger.writer.write(frame(b"stranger"))
        await made.until(lambda: len(made.packets) == 3)
        made.answer = lambda data, path: path.validated()
        peer = await Caller.to(made)
        peer.writer.write(frame(b"peer"))
        await made.until(lambda: len(made.packets) == 4)
        await strangers[0].until_closed()
        assert (made.listener.refused, made.listener.connections, made.listener.unvalidated) == (1, 3, 2)
        for caller in (*strangers, peer):
            await caller.close()


async def test_more_connections_than_may_be_are_refused() -> None:
    async with listening(connections=2) as made:
        made.answer = lambda data, path: path.validated()
        callers = [await Caller.to(made) for _ in range(2)]
        for caller in callers:
            caller.writer.write(frame(b"in"))
        await made.until(lambda: len(made.packets) == 2)
        late = await Caller.to(made)
        await late.until_closed()
        assert (made.listener.refused, made.listener.connections, made.closed) == (1, 2, [])
        for caller in (*callers, late):
            await caller.close()


async def test_a_receiver_that_fails_costs_its_own_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail(data: bytes, path: TcpPath) -> None:
        if data == b"bad":
            raise RuntimeError("on purpose")

    async with listening() as made:
        made.answer = fail
        caller, other = await Caller.to(made), await Caller.to(made)
        with caplog.at_level(logging.CRITICAL, logger="media_sfu.tcp"):
            caller.writer.write(frame(b"bad") + frame(b"after it"))
            await caller.until_closed()
        other.writer.write(frame(b"good"))
        await made.until(lambda: b"good" in [data for data, _ in made.packets])
        assert b"after it" not in [data for data, _ in made.packets]
        await caller.close()
        await other.close()


async def test_closing_ends_all_and_tells_each_once() -> None:
    async with listening() as made:
        callers = [await Caller.to(made) for _ in range(3)]
        for caller in callers:
            caller.writer.write(frame(b"hello"))
        await made.until(lambda: len(made.packets) == 3)
        paths = {path for _, path in made.packets}
        await made.listener.close()
        for caller in callers:
            await caller.until_closed()
            await caller.close()
        await made.until(lambda: len(made.closed) == 3)
        assert set(made.closed) == paths
        assert made.listener.connections == 0
