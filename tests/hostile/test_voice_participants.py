"""What somebody who was let in may send: the others hear each other without a gap."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial

import pytest
from pylibsrtp import Error as SrtpError

from loadtests.voice import rtcp
from loadtests.voice.microphone import Microphone
from loadtests.voice.session_description import LEVEL_ID, OPUS, RED
from loadtests.voice.speech import FRAME_SAMPLES, FRAME_SECONDS
from media_sfu.limits import VoiceLimits
from media_sfu.srtp import MOST_SSRCS
from tests.hostile.voice_scene import (
    HEADER,
    MALLORY,
    join,
    noise,
    paced,
    packet,
    talking,
)
from tests.media_sfu.live_hall import until


async def test_nonsense_inside_srtcp_that_is_authentic() -> None:
    async with talking() as talk:
        chance = noise(3)
        peer = talk.stage.peer(MALLORY)
        bodies = [
            bytes((chance.choice((0x80, 0x81, 0x9F, 0xBF, 0xA1)), chance.randrange(192, 224)))
            + chance.randrange(1 << 16).to_bytes(2, "big")
            + chance.randbytes(4 * chance.randrange(1, 40))
            for _ in range(300)
        ]
        async with talk.undisturbed():
            for begun in range(0, len(bodies), 100):
                for body in bodies[begun : begun + 100]:
                    talk.mallory.send_rtcp(body)
                await asyncio.sleep(0.5)  # no more is taken at once than 200 packets
        assert peer.leg is not None
        assert peer.dropped()["malformed"] > 0


async def test_nonsense_inside_srtp_that_is_authentic() -> None:
    async with talking() as talk:
        chance = noise(6)
        peer = talk.stage.peer(MALLORY)
        ssrc = talk.mallory.own.ssrc
        for number in range(300):
            kind = chance.choice((OPUS, RED, RED, 0, 96))
            head = HEADER.pack(0x80, kind, number, number * FRAME_SAMPLES, ssrc)
            talk.crowd.pacer.add(number * 0.003, 60.0, partial(talk.mallory.send_rtp, head + nonsense(chance)))
        async with talk.undisturbed():
            await asyncio.sleep(1.0)
        dropped = peer.dropped()
        assert dropped["malformed"] > 0, "RED that promises more than there is"
        assert dropped["foreign"] > 0, "what is not Opus"


def nonsense(chance: random.Random) -> bytes:
    return chance.choice(
        (b"", bytes(chance.randrange(1, 40)), b"\xff" * 40, chance.randbytes(chance.randrange(1, 400)))
    )


async def test_a_storm_of_nacks() -> None:
    async with talking() as talk:
        await until(lambda: bool(talk.mallory.streams), 2.0, "Mallory hears Ana")
        (stream,) = talk.mallory.streams.values()
        began = time.monotonic()
        async with talk.undisturbed():
            for _ in range(50):
                asked = [(stream.expected - back) & 0xFFFF for back in range(2, 42)]
                talk.mallory.send_rtcp(rtcp.nack(talk.mallory.own.ssrc, stream.ssrc, asked))
                await asyncio.sleep(FRAME_SECONDS)
        resent = talk.crowd.totals.repeated
        assert 0 < resent <= 25 + 50 * (time.monotonic() - began) + 1, "at most 50 a second for a slot, 25 at once"


@pytest.mark.parametrize("what", ["sequence", "timestamp", "ssrc", "all"])
async def test_a_speaker_whose_numbers_jump(what: str) -> None:
    async with talking() as talk:
        chance = noise(4)
        sequence, timestamp, ssrc = 7, 1, talk.mallory.own.ssrc

        def frame() -> None:
            nonlocal sequence, timestamp, ssrc
            sequence += chance.randrange(501, 30_000) if what in {"sequence", "all"} else 1
            timestamp = chance.randrange(1 << 32) if what in {"timestamp", "all"} else timestamp + FRAME_SAMPLES
            if what in {"ssrc", "all"} and chance.random() < 0.2:
                ssrc = chance.randrange(1, 1 << 32)
            try:
                talk.mallory.send_rtp(packet(ssrc, sequence, timestamp, level=chance.randrange(14, 30)))
            except SrtpError:  # her own library refuses some of it
                return

        async with talk.undisturbed():
            talk.crowd.pacer.add(0.0, 0.02, frame)
            await until(lambda: len(talk.ben.streams) >= 2, 2.0, "Ben hears Mallory too")
        talk.crowd.pacer.remove(frame)
        assert len(talk.ben.streams) == 2, "one slot each"
        inbound = talk.stage.peer(MALLORY)._inbound
        assert inbound is not None
        assert len(inbound._ssrcs) <= MOST_SSRCS


async def test_implausible_levels_take_no_slot_from_a_voice() -> None:
    async with talking() as talk:
        shouting = [talk.mallory]
        for number in range(10, 13):
            one = talk.crowd.client()
            await join(talk.stage, number, one)
            talk.crowd.keep_up(one)
            shouting.append(one)
        for number, client in enumerate(shouting):
            talk.crowd.speak(Shouting(client, 100 + number, level_id=LEVEL_ID), number / 4)
        # Four against three slots, as loud as can be: for a moment they may be believed.
        await until(lambda: len(talk.ben.streams) == 3, 2.0, "they take the free slots")
        since = talk.microphone.sent
        await until(lambda: talk.microphone.sent > since + 75, 4.0, "a second and a half")
        async with talk.undisturbed():
            pass


class Shouting(Microphone):
    """Says of each packet that it is as loud as can be."""

    def _level(self) -> int:
        return 0x80


async def test_more_packets_and_larger_ones_than_anybody_may_send() -> None:
    limits = VoiceLimits()
    async with talking() as talk:
        chance = noise(5)
        began = time.monotonic()
        peer = talk.stage.peer(MALLORY)
        packets = [
            packet(talk.mallory.own.ssrc, n, n * FRAME_SAMPLES, level=chance.randrange(14, 30)) for n in range(3_000)
        ]
        large = [packet(talk.mallory.own.ssrc, 3_000 + n, n * FRAME_SAMPLES) + bytes(1_200) for n in range(300)]
        # Her own stream has the gaps that she makes: what is over her share is lost.
        async with talk.undisturbed(others=False):
            count = await paced(partial(talk.mallory.send_rtp, data) for data in packets + large)
        may = limits.packets_burst + limits.packets_per_second * (time.monotonic() - began) + 1
        assert peer.dropped()["refused"] >= count - may
        heard = sum(stream.packets for stream in talk.ben.streams.values() if stream is not talk.hers)
        assert 0 < heard <= may
