"""What one peer may send, what it is sent again, and what it is told: over real sockets, with real keys."""

from __future__ import annotations

import struct

import pytest

from loadtests.voice import rtcp as client_rtcp
from media_sfu import rtcp
from media_sfu.limits import VoiceLimits
from media_sfu.rtcp import Nack, ReceiverReport, SenderReport
from tests.media_sfu.stage import Guest, Packet, Stage, continuous, staged, until

SPEECH = bytes(60)


def rtp(guest: Guest, sequence: int, *, kind: int = 111, ssrc: int | None = None, payload: bytes = SPEECH) -> bytes:
    """Of a guest, loud, not encrypted."""
    ssrc = guest.own.ssrc if ssrc is None else ssrc
    header = struct.pack("!BBHII", 0x90, kind, sequence & 0xFFFF, (sequence * 960) & 0xFFFFFFFF, ssrc)
    level = struct.pack("!HHBBxx", 0xBEDE, 1, 1 << 4, 0x80 | (15 + sequence % 9))
    return header + level + payload


async def send(stage: Stage, guest: Guest, data: bytes) -> None:
    """As it is."""
    before = stage.received
    guest.address.send(data, stage.udp.address)
    await until(lambda: stage.received > before, "a datagram")


async def say(stage: Stage, guest: Guest, data: bytes) -> None:
    """Encrypted."""
    assert guest.keys is not None
    await send(stage, guest, guest.keys.outbound.protect(data))


async def ask(stage: Stage, guest: Guest, ssrc: int, *sequences: int) -> list[Packet]:
    """What a guest is sent again."""
    before, received = len(guest.packets), stage.received
    guest.send_rtcp(client_rtcp.nack(guest.own.ssrc, ssrc, list(sequences)))
    await until(lambda: stage.received > received, "the NACK")
    await stage.quiet()
    return guest.packets[before:]


@pytest.fixture
async def ana(stage: Stage) -> Guest:
    return await stage.join(1)


@pytest.fixture
async def ben(stage: Stage) -> Guest:
    return await stage.join(2)


# What is not taken


async def test_what_is_of_no_use_is_dropped_and_counted(stage: Stage, ana: Guest, ben: Guest) -> None:
    await say(stage, ana, rtp(ana, 1))
    sealed = ana.keys.outbound.protect(rtp(ana, 2))  # type: ignore[union-attr]
    await send(stage, ana, sealed)
    await send(stage, ana, sealed)
    await send(stage, ana, sealed[:-1] + b"\x00")
    await say(stage, ana, rtp(ana, 3, kind=96))
    await say(stage, ana, rtp(ana, 4, ssrc=ana.own.ssrc ^ 1))
    await say(stage, ana, rtp(ana, 5, kind=63, payload=b"\xff\xff\xff\xff"))
    await say(stage, ana, b"\xb0" + rtp(ana, 6)[1:-1] + b"\xff")
    await say(stage, ana, rtp(ana, 7, payload=bytes(1_200)))
    await send(stage, ana, b"\x80\x6f")
    await send(stage, ana, b"\x80\xc8\x00\x01" + bytes(60))
    await say(stage, ana, rtp(ana, 8))
    await stage.quiet()
    assert len(ben.packets) == 3
    continuous(ben.packets)
    counts = ana.peer.dropped()
    assert counts["replayed"] == 2  # the one with a spoilt tag has a number that was seen
    assert counts["foreign"] == 3
    assert counts["malformed"] == 2
    assert counts["refused"] == 1
    assert counts["forged"] == 1
    assert stage.udp.faults == 0


async def test_who_only_listens_says_nothing(stage: Stage, ben: Guest) -> None:
    eve = await stage.join(3, sends=False)
    await say(stage, eve, rtp(eve, 1))
    assert eve.peer.foreign == 1
    assert not ben.packets


async def test_packets_and_bytes_are_limited() -> None:
    limits = VoiceLimits(packets_per_second=50, packets_burst=20, bytes_per_second=6_000, bytes_burst=3_000)
    async with staged(limits) as stage:
        ana, ben = await stage.join(1), await stage.join(2)
        for number in range(60):
            await say(stage, ana, rtp(ana, number))
        await stage.quiet()
        assert len(ben.packets) == 20
        assert ana.peer.dropped()["refused"] == 40
        await stage.pass_time(10.0)
        for number in range(60, 80):
            await say(stage, ana, rtp(ana, number, payload=bytes(500)))
        await stage.quiet()
        assert len(ben.packets) == 25
        continuous(ben.packets)


async def test_who_sends_with_its_address_does_not_use_up_what_it_may_send() -> None:
    async with staged(VoiceLimits(packets_per_second=1, packets_burst=10)) as stage:
        ana, ben = await stage.join(1), await stage.join(2)
        for number in range(50):
            await send(stage, ana, rtp(ana, number) + bytes(16))
        assert ana.peer.dropped() == {"forged": 50}
        await stage.speak(ana, frames=9)
        assert len(ben.packets) == 9


async def test_muted_is_not_forwarded_and_goes_on_without_a_gap(stage: Stage, ana: Guest, ben: Guest) -> None:
    await stage.speak(ana, frames=10)
    stage.hall.mute(stage.room_id, True, [2])
    assert ana.peer.muted
    assert not ben.peer.muted
    await stage.speak(ana, frames=50)
    assert len(ben.packets) == 10
    stage.hall.mute(stage.room_id, False, [])
    await stage.speak(ana, frames=10)
    assert len(ben.packets) == 20
    continuous(ben.packets)
    # A second has passed for the listener too, and nothing that was said meanwhile comes along.
    assert ben.packets[10].timestamp - ben.packets[9].timestamp & 0xFFFFFFFF == 51 * 960
    assert ben.packets[10].payload_type == 111
    assert [packet.spoken.number for packet in ben.packets[10:] if packet.spoken] == list(range(61, 71))


async def test_without_the_right_to_speak(stage: Stage, ben: Guest) -> None:
    eve = await stage.join(3, may_speak=False)
    await stage.speak(eve, frames=5)
    assert not ben.packets
    assert stage.hall.rights(
        stage.room_id, 3, may_speak=True, muted=False, preferred=False, to_room=None, to_number=None
    )  # fmt: skip
    await stage.speak(eve, frames=5)
    assert len(ben.packets) == 5


# What is sent


async def test_red_to_whoever_took_it(stage: Stage, ana: Guest, ben: Guest) -> None:
    plain = await stage.join(3, red=False)
    await stage.speak(ana, frames=10)
    assert [packet.payload_type for packet in ben.packets] == [111] + [63] * 9
    assert {packet.payload_type for packet in plain.packets} == {111}
    for listener in (ben, plain):
        assert [packet.spoken.number for packet in listener.packets if packet.spoken] == list(range(1, 11))


async def test_lost_packets_are_rebuilt(stage: Stage, ana: Guest, ben: Guest) -> None:
    await stage.speak(ana, frames=5)
    there = ana.address
    for _ in range(5):
        ana.address = type("Nowhere", (), {"send": lambda *_: None})()
        ana.microphone.frame()
        ana.address = there
        await stage.speak(ana, frames=3)
    assert [packet.spoken.number for packet in ben.packets if packet.spoken] == list(range(1, 26))
    continuous(ben.packets)


async def test_what_cannot_be_encrypted_is_not_sent(stage: Stage, ana: Guest, ben: Guest) -> None:
    eve = await stage.join(3)
    await stage.speak(ana, frames=3)
    assert ben.peer.leg is not None
    ben.peer.leg.outbound.close()
    await stage.speak(ana, frames=5)
    asked = await ask(stage, ben, ben.packets[0].ssrc, ben.packets[0].sequence)
    await stage.pass_time(4.0)  # reports are due
    await stage.quiet()
    assert len(ben.packets) == 3
    assert not asked
    assert not ben.told
    assert stage.forwarder.refused == 5
    assert ben.peer.dropped()["unsealed"] >= 2
    assert len(eve.packets) == 8
    assert all(packet.opened for packet in eve.packets)


# What is asked for


async def test_what_is_sent_again_is_the_same_bytes(stage: Stage, ana: Guest, ben: Guest) -> None:
    await stage.speak(ana, frames=20)
    first = list(ben.packets)
    wanted = first[5:9]
    again = await ask(stage, ben, first[0].ssrc, *(packet.sequence for packet in wanted))
    assert [packet.sealed for packet in again] == [packet.sealed for packet in wanted]
    assert ben.peer._reports.nacked == 4


async def test_what_was_never_there_is_not_sent(stage: Stage, ana: Guest, ben: Guest) -> None:
    await stage.speak(ana, frames=5)
    last = ben.packets[-1]
    assert await ask(stage, ben, last.ssrc, last.sequence + 1, last.sequence + 500, ben.packets[0].sequence - 1) == []
    assert await ask(stage, ben, last.ssrc ^ 1, last.sequence) == []
    assert ben.peer.dropped()["malformed"] == 1
    await stage.pass_time(1.1)
    assert await ask(stage, ben, last.ssrc, last.sequence) == []


async def test_what_is_sent_again_is_limited(stage: Stage, ana: Guest, ben: Guest) -> None:
    await stage.speak(ana, frames=30)
    numbers = [packet.sequence for packet in ben.packets]
    again = []
    for _ in range(10):
        again += await ask(stage, ben, ben.packets[0].ssrc, *numbers)
    assert 25 <= len(again) <= 26


async def test_a_hole_is_asked_for_and_filled(stage: Stage, ana: Guest, ben: Guest) -> None:
    """Three packets in a row are more than the RED of the next one has."""
    microphone = ana.microphone
    await stage.speak(ana, frames=5)
    there, kept = ana.address, []
    ana.address = type("Kept", (), {"send": lambda _self, data, _to: kept.append(data)})()
    microphone.frame()
    microphone.frame()
    ana.address = there
    await stage.speak(ana)
    await until(lambda: any(isinstance(said, Nack) for said in ana.told), "the NACK")
    (nack,) = [said for said in ana.told if isinstance(said, Nack)]
    assert nack.media == ana.own.ssrc
    assert len(nack.sequences) == 1
    await send(stage, ana, kept[0])
    await stage.speak(ana, frames=3)
    assert sorted(packet.spoken.number for packet in ben.packets if packet.spoken) == list(range(1, 12))
    numbers = sorted(packet.sequence for packet in ben.packets)
    assert numbers == list(range(numbers[0], numbers[0] + 11))


# What is told


@pytest.fixture
async def pair(stage: Stage, ana: Guest, ben: Guest) -> tuple[Guest, Guest]:
    """Who have talked long enough that reports have come."""
    await stage.speak(ana, ben, frames=200)
    return ana, ben


async def test_reports(stage: Stage, pair: tuple[Guest, Guest]) -> None:
    ana, ben = pair
    await until(lambda: [said for said in ana.told if isinstance(said, SenderReport)], "a report")
    report = [said for said in ben.told if isinstance(said, SenderReport)][-1]
    assert report.ssrc == ben.packets[0].ssrc
    assert 0 < report.packets <= 200
    assert report.octets == 80 * report.packets
    (block,) = report.blocks
    assert (block.ssrc, block.lost, block.fraction) == (ben.own.ssrc, 0, 0)
    # Its clock is that of the packets.
    sent = ben.packets[report.packets - 1]
    assert 0 <= (report.timestamp - sent.timestamp) & 0xFFFFFFFF < 2 * 960


async def test_round_trip_and_loss_as_the_listener_tells(stage: Stage, pair: tuple[Guest, Guest]) -> None:
    _, ben = pair
    report = next(said for said in ben.told if isinstance(said, SenderReport))
    block = rtcp.ReportBlock(report.ssrc, 64, 10, 200, 0, rtcp.compact(report.ntp), 0)
    before = stage.received
    ben.say(rtcp.receiver_report(ReceiverReport(ben.own.ssrc, (block,))))
    await until(lambda: stage.received > before, "the report")
    reports = ben.peer._reports
    assert reports.round_trip is not None
    assert 0 < reports.round_trip < 20
    assert reports.fraction_lost == 0.25
    assert ben.peer._uplink is not None
    assert ben.peer._uplink.round_trip == reports.round_trip


async def test_a_speaker_is_told_of_the_losses_of_whoever_hears_them(stage: Stage, pair: tuple[Guest, Guest]) -> None:
    """What helps a listener on a bad line is the speaker's redundancy, and browsers add it only when told of losses."""
    ana, ben = pair
    report = next(said for said in ben.told if isinstance(said, SenderReport))
    block = rtcp.ReportBlock(report.ssrc, 13, 10, 200, 0, rtcp.compact(report.ntp), 0)
    ben.say(rtcp.receiver_report(ReceiverReport(ben.own.ssrc, (block,))))
    await until(lambda: ben.peer.lost > 0.05, "the report")
    await stage.pass_time(4.0)

    def told() -> list[tuple[int, int, int]]:
        reports = (said for said in ana.told if isinstance(said, SenderReport | ReceiverReport))
        return [(block.ssrc, block.fraction, block.lost) for said in reports for block in said.blocks]

    await until(lambda: (ana.own.ssrc, 13, 0) in told(), "a report that says so")


async def test_a_receivers_time_is_answered(stage: Stage, ben: Guest) -> None:
    time = rtcp.ntp(1_700_000_000.25)
    block = struct.pack("!BBHQ", 4, 0, 2, time)
    ben.say(struct.pack("!BBHI", 0x80, 207, 1 + len(block) // 4, ben.own.ssrc) + block)
    await stage.quiet()
    await stage.pass_time(4.0)
    await until(lambda: ben.raw_reports, "a report")
    # DLRR: type 5, three words, who is answered, the middle of its time, and for how long it waited.
    answer = struct.pack("!BBHII", 5, 0, 3, ben.own.ssrc, rtcp.compact(time))
    assert sum(answer in raw for raw in ben.raw_reports) == 1
    assert isinstance(ben.told[0], ReceiverReport)  # it was sent nothing: no sender's report


async def test_reports_that_make_no_sense_are_counted(stage: Stage, ben: Guest) -> None:
    ben.say(b"\x81\xc9\x00\x01" + bytes(4))
    await stage.quiet()
    assert ben.peer.dropped()["malformed"] == 1
