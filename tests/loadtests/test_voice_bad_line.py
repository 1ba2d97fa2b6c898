"""The bad line between a page and the voice server: it must be as bad as it says, and no worse."""

from __future__ import annotations

import asyncio
import itertools
import socket
from dataclasses import replace

import pytest

from loadtests.voice.bad_line import BadLine, Conditions
from loadtests.voice.bad_relay import BadRelay, host_candidate, only_way

BAD = Conditions(loss=0.05, delay=0.04, jitter=0.01, in_order=False)
FRAME = 0.02
PACKETS = 20_000
DEADLINE_SECONDS = 5.0
ANSWER = (
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.7 8082 typ host generation 0\r\n"
    "a=candidate:2 1 tcp 1671430143 192.0.2.7 8082 typ host tcptype passive\r\n"
    "a=end-of-candidates\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=recvonly\r\n"
)


def _arrivals(conditions: Conditions, seed: int, *, every: float = FRAME) -> list[float | None]:
    line = BadLine(conditions, seed)
    return [line.carry(number * every) for number in range(PACKETS)]


def test_as_many_are_lost_as_it_says() -> None:
    line = BadLine(BAD, 1)
    arrivals = [line.carry(0.0) for _ in range(PACKETS)]

    assert line.lost == arrivals.count(None)
    assert line.lost + line.carried == PACKETS
    assert line.lost / PACKETS == pytest.approx(BAD.loss, abs=0.005)


def test_the_others_take_as_long_as_it_says() -> None:
    took = [at - number * FRAME for number, at in enumerate(_arrivals(BAD, 2)) if at is not None]

    assert min(took) == pytest.approx(0.03, abs=0.0005)
    assert max(took) == pytest.approx(0.05, abs=0.0005)
    assert sum(took) / len(took) == pytest.approx(BAD.delay, abs=0.0005)
    assert min(took) >= BAD.delay - BAD.jitter - 1e-9


def test_a_stream_of_speech_keeps_its_order_and_what_comes_closer_does_not() -> None:
    steady = [at for at in _arrivals(BAD, 3) if at is not None]
    close = [at for at in _arrivals(BAD, 3, every=FRAME / 4) if at is not None]

    assert all(before <= after for before, after in itertools.pairwise(steady))
    assert any(before > after for before, after in itertools.pairwise(close))


def test_a_line_in_order_lets_none_overtake() -> None:
    close = [at for at in _arrivals(replace(BAD, in_order=True), 3, every=FRAME / 4) if at is not None]

    assert all(before <= after for before, after in itertools.pairwise(close))


def test_the_same_seed_loses_the_same_packets_whatever_the_delay() -> None:
    lost = [at is None for at in _arrivals(BAD, 4)]

    assert [at is None for at in _arrivals(Conditions(BAD.loss, 0.2, 0.0), 4)] == lost
    assert [at is None for at in _arrivals(BAD, 5)] != lost


def test_a_good_line_changes_nothing() -> None:
    assert _arrivals(Conditions(0.0, 0.0, 0.0), 6) == [number * FRAME for number in range(PACKETS)]


def test_no_packet_arrives_before_it_was_sent() -> None:
    line = BadLine(Conditions(0.0, 0.001, 0.01), 7)

    assert all((line.carry(1.0) or 0.0) >= 1.0 for _ in range(1_000))


def test_an_answer_leads_to_the_relay_and_nowhere_else() -> None:
    through = only_way(ANSWER, ("127.0.0.1", 40_000))

    assert [line for line in through.split("\r\n") if "candidate:" in line] == [
        "a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host"
    ]
    assert "192.0.2.7" not in through
    assert [line for line in through.split("\r\n") if "candidate:" not in line] == [
        line for line in ANSWER.split("\r\n") if "candidate:" not in line
    ]
    assert host_candidate(ANSWER) == ("192.0.2.7", 8082)
    assert host_candidate(through) == ("127.0.0.1", 40_000)


def test_an_answer_without_udp_is_refused() -> None:
    with pytest.raises(ValueError, match="no UDP candidate"):
        host_candidate(ANSWER.replace(" udp ", " tcp "))


async def test_what_is_sent_through_the_relay_is_answered_through_it() -> None:
    server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with server, client:
        for each in (server, client):
            each.setblocking(False)
            each.bind(("127.0.0.1", 0))
        late = Conditions(0.0, 0.03, 0.0)
        loop = asyncio.get_running_loop()
        async with BadRelay(server.getsockname(), BadLine(late, 1), BadLine(late, 2)) as relay:
            begun = loop.time()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await loop.sock_sendto(client, b"question", relay.address)
                asked, outside = await loop.sock_recvfrom(server, 100)
                await loop.sock_sendto(server, b"answer", outside)
                answered, inside = await loop.sock_recvfrom(client, 100)

            assert (asked, answered, inside) == (b"question", b"answer", relay.address)
            assert loop.time() - begun >= 0.058  # the loop's timers count milliseconds
            assert relay.up.carried == relay.down.carried == 1
            assert relay.latest < DEADLINE_SECONDS


async def test_nothing_passes_a_line_that_loses_all() -> None:
    server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with server, client:
        for each in (server, client):
            each.setblocking(False)
            each.bind(("127.0.0.1", 0))
        gone, kept = Conditions(1.0, 0.0, 0.0), Conditions(0.0, 0.0, 0.0)
        loop = asyncio.get_running_loop()
        async with (
            BadRelay(server.getsockname(), BadLine(gone, 1), BadLine(kept, 2)) as deaf,
            BadRelay(server.getsockname(), BadLine(kept, 3), BadLine(kept, 4)) as open_,
            asyncio.timeout(DEADLINE_SECONDS),
        ):
            await loop.sock_sendto(client, b"lost", deaf.address)
            await loop.sock_sendto(client, b"carried", open_.address)

            assert await loop.sock_recv(server, 100) == b"carried"
            assert (deaf.up.lost, deaf.up.carried) == (1, 0)
            with pytest.raises(BlockingIOError):
                server.recv(100)
