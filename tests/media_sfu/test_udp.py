import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from media_sfu.udp import BURST, TURN_SECONDS, UdpPath, UdpSocket

DEADLINE_SECONDS = 5.0


class Heard:
    """What a socket received; answers nothing unless told."""

    def __init__(self, answer: Callable[[bytes, UdpPath], None] | None = None) -> None:
        self.datagrams: list[tuple[bytes, UdpPath]] = []
        self._answer = answer
        self._changed = asyncio.Event()

    def __call__(self, data: bytes, path: UdpPath) -> None:
        self.datagrams.append((data, path))
        self._changed.set()
        if self._answer is not None:
            self._answer(data, path)

    async def wait(self, count: int) -> list[tuple[bytes, UdpPath]]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.datagrams) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.datagrams


def client(host: str = "127.0.0.1") -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((host, 0))
    opened.setblocking(False)
    return opened


async def answer_of(opened: socket.socket) -> tuple[bytes, tuple[str, int]]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        data, address = await asyncio.get_running_loop().sock_recvfrom(opened, 2_000)
    return data, address[:2]


def echo(data: bytes, path: UdpPath) -> None:
    path.send(b"re:" + data)


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[UdpSocket]:
    opened = UdpSocket.bind(request.param, 0)
    yield opened
    opened.close()


async def test_answers_leave_from_the_address_that_was_asked(server: UdpSocket) -> None:
    bound, port = server.address
    hosts = {
        "127.0.0.1": ["127.0.0.1"],
        "0.0.0.0": ["127.0.0.1", "127.0.0.2", "127.9.9.9"],
        "::": ["127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"],
        "::1": ["::1"],
    }[bound]
    heard = Heard(echo)
    server.listen(heard)
    for count, host in enumerate(hosts, start=1):
        with closing(client("::1" if ":" in host else "127.0.0.3")) as asking:
            asking.sendto(host.encode(), (host, port))
            assert await answer_of(asking) == (b"re:" + host.encode(), (host, port))
            _, path = (await heard.wait(count))[-1]
            assert path.address == asking.getsockname()[:2]
            assert path.local == (None if bound in {"127.0.0.1", "::1"} else host)
    assert (server.received, server.dropped, server.faults) == (len(hosts), 0, 0)


async def test_the_batch_answers_from_there_too(server: UdpSocket) -> None:
    bound, port = server.address
    host = "::1" if bound == "::1" else "127.0.0.1" if bound == "127.0.0.1" else "127.0.0.2"
    heard = Heard()
    server.listen(heard)
    with closing(client("::1" if host == "::1" else "127.0.0.1")) as asking:
        asking.sendto(b"?", (host, port))
        [(_, path)] = await heard.wait(1)
        for number in range(3):
            server.batch.put(path, bytes([number]))
        assert server.batch.flush() == 3
        assert [await answer_of(asking) for _ in range(3)] == [(bytes([n]), (host, port)) for n in range(3)]


async def test_a_path_made_by_hand_is_the_one_that_arrives(server: UdpSocket) -> None:
    bound, port = server.address
    six = bound == "::1"
    host = "::1" if six else "127.0.0.1"
    local = host if bound in {"0.0.0.0", "::"} else None
    heard = Heard()
    server.listen(heard)
    with closing(client(host)) as asking:
        made = server.path(asking.getsockname()[:2], local)
        made.send(b"first")
        assert await answer_of(asking) == (b"first", (host, port))
        asking.sendto(b"back", (host, port))
        [(_, path)] = await heard.wait(1)
        assert path is made
        if local is not None:
            anyhow = server.path(asking.getsockname()[:2])
            assert anyhow is not made
            anyhow.send(b"from wherever the system likes")
            assert (await answer_of(asking))[0] == b"from wherever the system likes"


async def test_the_same_way_is_the_same_object_and_strangers_leave_nothing() -> None:
    with closing(UdpSocket.bind("0.0.0.0", 0)) as server, closing(client()) as one, closing(client()) as other:
        port = server.address[1]
        heard = Heard()
        server.listen(heard)
        one.sendto(b"1", ("127.0.0.1", port))
        other.sendto(b"2", ("127.0.0.1", port))
        one.sendto(b"3", ("127.0.0.1", port))
        one.sendto(b"4", ("127.0.0.2", port))
        first, second, third, fourth = (path for _, path in await heard.wait(4))
        assert first is third
        assert len({first, second, fourth}) == 3
        assert len(server._paths) == 3
        heard.datagrams.clear()
        del second, third, fourth
        gc.collect()
        assert len(server._paths) == 1
        assert server.path(one.getsockname(), "127.0.0.1") is first


async def test_a_wake_up_reads_a_bounded_burst_and_the_rest_follows() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as server, closing(client()) as sender:
        for number in range(3 * BURST):
            sender.sendto(number.to_bytes(2, "big"), server.address)
        heard = Heard()
        server.listen(heard)
        server._read()
        assert len(heard.datagrams) == BURST
        data = [int.from_bytes(data, "big") for data, _ in await heard.wait(3 * BURST)]
        assert data == list(range(3 * BURST))


async def test_work_that_takes_long_leaves_the_loop_its_turn() -> None:
    """As under overload: each datagram costs 4 ms, and a clock wants to tick every 5."""
    ticks: list[float] = []

    def work(data: bytes, path: UdpPath) -> None:
        busy_until = time.monotonic() + 0.004
        while time.monotonic() < busy_until:
            pass

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0)

    with closing(UdpSocket.bind("0.0.0.0", 0)) as server, closing(client()) as sender:
        for number in range(100):
            sender.sendto(number.to_bytes(2, "big"), ("127.0.0.1", server.address[1]))
        heard = Heard(work)
        server.listen(heard)
        ticking = asyncio.create_task(tick())
        data = [int.from_bytes(data, "big") for data, _ in await heard.wait(100)]
        ticking.cancel()
        assert data == list(range(100)), "in order"
        assert {path.local for _, path in heard.datagrams} == {"127.0.0.1"}
        # Two datagrams in each, whatever else the machine does meanwhile.
        assert len(ticks) >= 45


async def test_closing_between_two_turns_ends_it() -> None:
    with closing(client()) as sender:
        server = UdpSocket.bind("127.0.0.1", 0)
        heard = Heard(lambda data, path: time.sleep(2 * TURN_SECONDS))
        for _ in range(5):
            sender.sendto(b"x", server.address)
        server.listen(heard)
        await heard.wait(1)
        seen = len(heard.datagrams)
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(heard.datagrams) == seen < 5


async def test_oversize_datagrams_are_dropped_and_longest_ones_are_whole() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as server, closing(client()) as sender:
        heard = Heard()
        server.listen(heard)
        sender.sendto(bytes(9_000), server.address)
        sender.sendto(bytes(2_048), server.address)
        sender.sendto(b"x" * 1_500, server.address)
        [(data, _)] = await heard.wait(1)
        assert data == b"x" * 1_500
        assert server.oversize == 2


async def test_a_receiver_that_fails_costs_no_other_datagram(caplog: pytest.LogCaptureFixture) -> None:
    def fail(data: bytes, path: UdpPath) -> None:
        if data != b"good":
            raise RuntimeError("on purpose")

    with closing(UdpSocket.bind("127.0.0.1", 0)) as server, closing(client()) as sender:
        heard = Heard(fail)
        server.listen(heard)
        with caplog.at_level(logging.ERROR):
            for _ in range(20):
                sender.sendto(b"bad", server.address)
            sender.sendto(b"good", server.address)
            assert (await heard.wait(21))[-1][0] == b"good"
        assert server.faults == 20
        assert len(caplog.records) == 5


async def test_closing_in_the_middle_of_a_burst_ends_it() -> None:
    with closing(client()) as sender:
        server = UdpSocket.bind("127.0.0.1", 0)
        heard = Heard(lambda data, path: server.close())
        for _ in range(5):
            sender.sendto(b"x", server.address)
        server.listen(heard)
        [(_, path)] = await heard.wait(1)
        path.send(b"nobody")
        assert len(heard.datagrams) == 1
        server.close()


async def test_it_says_how_much_buffer_it_got() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as server:
        assert server.buffers.receive > 0
        assert server.buffers.send > 0


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0.1 "])
def test_names_are_no_addresses(host: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        UdpSocket.bind(host, 0)


def test_an_ipv4_socket_has_no_way_to_ipv6() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as server, pytest.raises(ValueError, match="reaches no"):
        server.path(("::1", 9))


def test_an_address_in_use_is_told() -> None:
    with closing(UdpSocket.bind("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        UdpSocket.bind("127.0.0.1", server.address[1])
