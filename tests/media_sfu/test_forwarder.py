"""The loop: packets as listeners get them, decrypted with the other end's keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from media_sfu import forwarder, rtp
from media_sfu.forwarder import Forwarder
from media_sfu.frame import Frame
from media_sfu.leg import Leg
from media_sfu.sendmmsg import Batch
from media_sfu.slot import Slot
from media_sfu.source import Source
from media_sfu.srtp import AEAD_AES_128_GCM, Inbound, Outbound
from tests.media_sfu.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


class Turn:
    """The end of an event loop's turn."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def soon(self, what: Callable[[], None]) -> None:
        self.waiting.append(what)

    def end(self) -> None:
        waiting, self.waiting = self.waiting, []
        for what in waiting:
            what()


class Listener:
    def __init__(self, sink: Sink, ssrc: int, *, red: int | None = 63, opus: int = 111) -> None:
        key = os.urandom(28)
        self.slot = Slot(ssrc, opus=opus, red=red, first_sequence=65_000 & 0x7FFF)
        self.leg = Leg(Outbound(key, AEAD_AES_128_GCM), sink.path)
        self.inbound = Inbound(key, AEAD_AES_128_GCM)
        self._sink = sink

    def packets(self) -> list[bytes]:
        """Opened, of its own SSRC."""
        found = [data for data in self._sink.read() if data[8:12] == self.slot.ssrc.to_bytes(4, "big")]
        opened = [self.inbound.open(data) for data in found]
        assert None not in opened
        return [data for data in opened if data is not None]


@pytest.fixture
def turn() -> Turn:
    return Turn()


@pytest.fixture
def loop(sink: Sink, turn: Turn) -> Forwarder:
    return Forwarder(sink.batch, turn.soon)


def frame(number: int, *, red: bytes | None = None, reach: int = 0, marker: bool = False) -> Frame:
    return Frame(number, number * 960, marker, b"opus%d" % number, red, reach)


def test_one_call_at_the_end_of_the_turn(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, listener = Source(0xDEAD), Listener(sink, 1)
    source.attach(listener.slot, listener.leg)
    for number in (5, 6, 7):
        loop.forward(source, frame(number, marker=number == 5), number * 0.02)
    assert len(turn.waiting) == 1
    assert sink.read() == []
    turn.end()
    packets = [rtp.parse(data) for data in listener.packets()]
    assert [packet.sequence for packet in packets] == [listener.slot.last_sequence - 2 + n for n in range(3)]
    assert [packet.marker for packet in packets] == [True, False, False]
    assert [packet.payload for packet in packets] == [b"opus5", b"opus6", b"opus7"]
    assert (listener.slot.packets, listener.slot.octets) == (3, 15)
    assert loop.forwarded == 3
    loop.forward(source, frame(8), 0.2)
    assert len(turn.waiting) == 1


def test_the_csrc_names_the_speaker(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, listener = Source(0xDEADBEEF), Listener(sink, 1)
    source.attach(listener.slot, listener.leg)
    loop.forward(source, frame(1), 0.0)
    turn.end()
    (data,) = listener.packets()
    assert data[0] == 0x81
    assert data[12:16] == (0xDEADBEEF).to_bytes(4, "big")


def test_red_only_where_it_was_taken_and_never_from_before(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, plain, taker = Source(1), Listener(sink, 1, red=None, opus=96), Listener(sink, 2)
    for listener in (plain, taker):
        source.attach(listener.slot, listener.leg)
    loop.forward(source, frame(5, red=b"red5", reach=2), 0.0)
    loop.forward(source, frame(6, red=b"red6", reach=2), 0.02)
    loop.forward(source, frame(7, red=b"red7", reach=2), 0.04)
    turn.end()
    received = sink.read()
    for listener, wanted in (
        (plain, [(96, b"opus5"), (96, b"opus6"), (96, b"opus7")]),
        (taker, [(111, b"opus5"), (111, b"opus6"), (63, b"red7")]),
    ):
        own = [data for data in received if data[8:12] == listener.slot.ssrc.to_bytes(4, "big")]
        packets = [rtp.parse(listener.inbound.open(data) or b"") for data in own]
        assert [(packet.payload_type, packet.payload) for packet in packets] == wanted


def test_late_frames_only_to_who_heard_the_speaker_then(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, listener = Source(1), Listener(sink, 1)
    source.history.add(frame(9), 0.0)
    source.attach(listener.slot, listener.leg)
    loop.forward(source, frame(8), 0.01)
    turn.end()
    assert listener.packets() == []
    assert loop.forwarded == 0
    loop.forward(source, frame(10), 0.02)
    turn.end()
    assert len(listener.packets()) == 1


def test_what_fails_to_encrypt_is_not_sent_and_costs_nobody_else(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, torn, whole = Source(1), Listener(sink, 1), Listener(sink, 2)
    for listener in (torn, whole):
        source.attach(listener.slot, listener.leg)
    loop.forward(source, frame(1), 0.0)
    torn.leg.outbound.close()
    loop.forward(source, frame(2), 0.02)
    turn.end()
    received = sink.read()
    assert [data[11] for data in received] == [1, 2, 2]
    assert not any(b"opus" in data for data in received)
    assert (loop.refused, loop.forwarded) == (1, 3)
    assert torn.slot.packets == 1


def test_a_path_that_raises_costs_nobody_else(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, faulty, whole = Source(1), Listener(sink, 1), Listener(sink, 2)
    faulty.leg.path = None
    for listener in (faulty, whole):
        source.attach(listener.slot, listener.leg)
    for number in range(1, 4):
        loop.forward(source, frame(number), number * 0.02)
    turn.end()
    assert len(whole.packets()) == 3
    assert (loop.faults, loop.forwarded) == (3, 3)


def test_more_listeners_than_a_batch_has_places(sink: Sink, turn: Turn) -> None:
    batch = Batch(sink.sender.fileno(), name_length=16, size=4)
    loop = Forwarder(batch, turn.soon)
    source, listeners = Source(1), [Listener(sink, number) for number in range(1, 12)]
    for listener in listeners:
        source.attach(listener.slot, listener.leg)
    loop.forward(source, frame(1), 0.0)
    turn.end()
    assert sorted(data[11] for data in sink.read()) == list(range(1, 12))


def test_a_packet_once_more_is_what_was_sent(sink: Sink, turn: Turn, loop: Forwarder) -> None:
    source, listener = Source(77), Listener(sink, 1)
    source.attach(listener.slot, listener.leg)
    frames = [frame(n, red=b"red%d" % n, reach=1, marker=n == 2) for n in range(4)]
    for one in frames:
        loop.forward(source, one, one.number * 0.02)
    turn.end()
    sent = sink.read()
    for data in sent:
        sequence = int.from_bytes(data[2:4], "big")
        again = listener.slot.resend(sequence, 0.1)
        assert again is not None
        plain = forwarder.packet(
            listener.slot, 77, again.frame, again.sequence, again.timestamp, as_red=again.as_red
        )  # fmt: skip
        assert listener.leg.outbound.seal(plain) == data
