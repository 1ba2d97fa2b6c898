"""What is sent to a voice process from outside, also in the name of others: voice goes on, and nothing grows."""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import pytest
from pylibsrtp import Policy, Session

from loadtests.voice import rtcp, session_description, stun
from loadtests.voice.client import Client
from loadtests.voice.dtls import Certificate, Handshake
from loadtests.voice.speech import FRAME_SAMPLES
from media_sfu.ice import CANDIDATES_MOST, REFUSALS_MOST, UNPROVEN_MOST, UNPROVEN_PACKETS, VALID_MOST
from media_sfu.udp import UdpPath
from tests.hostile.voice_scene import (
    ANA,
    HEADER,
    HEARD_SECONDS,
    MALLORY,
    Strangers,
    Talk,
    join,
    noise,
    paced,
    packet,
    saying,
    talking,
)
from tests.media_sfu.live_hall import until

LENGTHS: Final = (1, 2, 11, 12, 20, 28, 100, 400, 1_200)
RECORD: Final = struct.Struct("!BHHHIH")
"""Of DTLS: type, version, epoch, 48 bits of sequence, length."""
DTLS_1_2: Final = 0xFEFD
ALERT, HANDSHAKE, APPLICATION = 21, 22, 23

CPU_MICROSECONDS: Final = {"stranger": 2, "unknown request": 20, "wrong password": 50, "other keys": 15, "hello": 80}
"""What one datagram of each kind may cost: some five times what it does (0.1, 3, 9, 2 and 12)."""


async def test_strangers_send_datagrams_of_every_first_byte() -> None:
    async with talking() as talk:
        before, useless, received = talk.tables(), talk.useless(), talk.stage.udp.received
        with Strangers(16, talk.server) as strangers:
            async with talk.undisturbed():
                count = await paced(strangers.sends(every_first_byte(1)))
                await until(lambda: talk.useless() >= useless + count, HEARD_SECONDS, "each was counted")
            assert strangers.answers().total() == 0, "nobody who has proven nothing gets an answer to garbage"
        assert talk.useless() == useless + count, "once"
        assert talk.stage.udp.received >= received + count
        assert talk.tables() == before


@pytest.mark.parametrize("whose", ["Mallory's", "Ana's"])
async def test_datagrams_of_every_first_byte_from_the_address_of_a_participant(whose: str) -> None:
    async with talking() as talk:
        address = talk.tape.address if whose == "Ana's" else talk.mallory.address
        before = talk.tables()
        async with talk.undisturbed():
            await paced(saying(address, every_first_byte(2), talk.server))
        assert talk.tables() == before
        assert talk.stage.peer(ANA).leg is not None
        assert talk.stage.peer(MALLORY).leg is not None


async def test_a_flood_of_checks_with_a_wrong_password() -> None:
    async with talking() as talk:
        peer = talk.stage.peer(ANA)
        before, nominated = talk.tables(), peer.agent.nominated
        username = f"{peer.local.fragment}:{peer.remote.fragment}"
        _, request = stun.binding_request(username, "not-her-password-at-all", os.urandom(8))
        with Strangers(300, talk.server) as strangers:
            async with talk.undisturbed():
                count = await paced(strangers.sends(itertools.repeat(request, 4_500)))
                await until(lambda: peer.agent.counts["unauthentic"] >= count, HEARD_SECONDS, "each was looked at")
            answers = strangers.answers()
        assert len(answers) <= REFUSALS_MOST
        assert max(answers.values(), default=0) <= 1
        assert peer.agent.nominated is nominated
        assert talk.tables() == before | {"paths": before["paths"] + len(answers)}


async def test_requests_of_hers_sent_again_from_forged_ports() -> None:
    async with talking() as talk:
        talk.ana.consent()
        (*_, request) = talk.tape.first(range(4))
        assert stun.kind(request) == stun.BINDING_REQUEST
        peer = talk.stage.peer(ANA)
        nominated, before = peer.agent.nominated, talk.tables()
        with Strangers(300, talk.server) as strangers:
            async with talk.undisturbed():
                await paced(strangers.sends(itertools.repeat(request, 3_000)))
            answers = strangers.answers()
        assert answers, "somebody may truly have moved there: they are asked"
        assert max(answers.values()) <= UNPROVEN_PACKETS
        assert len(answers) <= UNPROVEN_MOST
        assert peer.agent.nominated is nominated, "nobody was heard to answer from there"
        assert len(peer.paths) <= VALID_MOST + CANDIDATES_MOST
        assert talk.tables()["addresses"] <= before["addresses"] + CANDIDATES_MOST
        assert talk.tables()["paths"] <= before["paths"] + UNPROVEN_MOST


async def test_dtls_garbage_and_a_storm_of_hellos() -> None:
    async with talking() as talk:
        ends = Counter(talk.stage.hall.counts.ended)
        hello = b"".join(Handshake(Certificate.new(), "").begin())
        # Unencrypted goodbyes of her own, as anybody may make them; and what looks encrypted and is not.
        goodbyes = [record(ALERT, epoch, number, body) for epoch in (0, 1) for number, body in enumerate(ALERTS)]
        forged = [*goodbyes, hello, *(record(kind, 1, 9, os.urandom(60)) for kind in (ALERT, HANDSHAKE, APPLICATION))]
        before, useless = talk.tables(), talk.useless()
        with Strangers(50, talk.server) as strangers:
            async with talk.undisturbed():
                count = await paced(strangers.sends(itertools.repeat(hello, 1_500)))
                await until(lambda: talk.useless() >= useless + count, HEARD_SECONDS, "each was counted")
                for address in (talk.tape.address, talk.mallory.address):
                    datagrams = itertools.islice(itertools.cycle(forged), 1_000)
                    await paced(saying(address, datagrams, talk.server))
            assert strangers.answers().total() == 0
        await until(lambda: talk.tables() == before, 2.0, "what waited for its turn has had it")
        assert talk.stage.hall.counts.ended == ends
        assert talk.stage.peer(ANA).leg is not None


async def test_handshakes_that_are_begun_again_and_again_and_never_end() -> None:
    async with talking() as talk:
        hellos = [b"".join(Handshake(Certificate.new(), "").begin()) for _ in range(20)]
        half = [await half_open(talk, number) for number in (20, 21, 22)]
        begun = len(talk.stage.hall.peers)
        async with talk.undisturbed():
            pairs = zip(itertools.cycle(half), itertools.islice(itertools.cycle(hellos), 2_000), strict=False)
            await paced(partial(one.address.send, data, talk.server) for one, data in pairs)
            newcomer = talk.crowd.client()
            await join(talk.stage, 30, newcomer)
        assert newcomer.joined_seconds < 1.0, "nor do those who come in meanwhile wait for it"
        assert len(talk.stage.hall.peers) <= begun + 1


async def half_open(talk: Talk, number: int) -> Client:
    """Somebody whose address is proven, and who has not said hello."""
    client = talk.crowd.client()
    offer = session_description.offer(client.own, sends=True, slots=3)
    answer = session_description.read(talk.stage.admit(number, offer).answer)
    client._remote, client._to = answer, answer.addresses[0]
    await client._check()
    await until(lambda: talk.stage.peer(number).agent.nominated is not None, 2.0, "its address is proven")
    return client


async def test_packets_under_other_keys_and_hers_again() -> None:
    async with talking() as talk:
        keys = talk.ana.keys
        assert keys is not None
        secret = os.urandom(keys.profile.key_length + keys.profile.salt_length)
        other = Session(Policy(secret, Policy.SSRC_ANY_OUTBOUND, srtp_profile=keys.profile.libsrtp_profile))
        last = talk.tape.first(range(128, 192))[-1]
        sequence, timestamp = HEADER.unpack_from(last)[2:4]
        following = (packet(talk.ana.own.ssrc, sequence + n, timestamp + n * FRAME_SAMPLES) for n in range(1, 1_501))
        forged = [other.protect(data) for data in following]
        forged += [other.protect_rtcp(rtcp.sender_report(talk.ana.own.ssrc, 0.0, n, 0, 0)) for n in range(500)]
        async with talk.undisturbed():
            replayed = talk.tape.first(range(128, 192))[-20:] * 50
            address = talk.tape.address
            await paced(saying(address, forged + replayed, talk.server))
        dropped = talk.stage.peer(ANA).dropped()
        assert dropped["forged"] >= len(forged)
        assert dropped["replayed"] >= len(replayed)
        assert dropped["refused"] == 0, "what others send with her address does not use up what she may send"


async def test_somebody_who_says_that_the_address_of_another_is_theirs() -> None:
    async with talking() as talk:
        before, hers = talk.tables(), talk.stage.peer(ANA).agent.nominated
        remote = talk.mallory._remote
        assert remote is not None
        username = f"{remote.fragment}:{talk.mallory.own.fragment}"
        claims = (stun.binding_request(username, remote.password, os.urandom(8))[1] for _ in range(500))
        async with talk.undisturbed():
            await paced(saying(talk.tape.address, claims, talk.server))
        assert talk.stage.peer(ANA).agent.nominated is hers
        assert talk.stage.peer(MALLORY).agent.nominated is not hers
        assert talk.tables() == before


async def test_what_a_useless_datagram_costs() -> None:
    """Processor time, without the socket's 1 us, of each kind of datagram that is dropped."""
    async with talking() as talk:
        hall, peer = talk.stage.hall, talk.stage.peer(ANA)
        anas = peer.agent.nominated
        assert isinstance(anas, UdpPath)
        strangers = [talk.stage.udp.path(("127.0.0.1", port)) for port in range(20_000, 20_100)]
        names = f"{peer.local.fragment}:{peer.remote.fragment}", f"nobody:{peer.remote.fragment}"
        _, wrong = stun.binding_request(names[0], "not-her-password-at-all", os.urandom(8))
        _, unknown = stun.binding_request(names[1], "not-her-password-at-all", os.urandom(8))
        talk.microphone.stop(talk.crowd.pacer)
        sequence, timestamp = HEADER.unpack_from(talk.tape.first(range(128, 192))[-1])[2:4]
        forged = packet(talk.ana.own.ssrc, sequence + 1, timestamp + FRAME_SAMPLES) + bytes(16)
        hello = b"".join(Handshake(Certificate.new(), "").begin())
        kinds: dict[str, Callable[[int], None]] = {
            "stranger": lambda n: hall.receive(forged, strangers[n % 100]),
            "unknown request": lambda n: hall.receive(unknown, strangers[n % 100]),
            "wrong password": lambda n: hall.receive(wrong, strangers[n % 100]),
            "other keys": lambda n: hall.receive(forged, anas),
        }
        costs = {kind: cost(receive) for kind, receive in kinds.items()}
        costs["hello"] = await cost_of_turns(lambda: hall.receive(hello, anas))
        assert all(costs[kind] <= most for kind, most in CPU_MICROSECONDS.items()), costs


def cost(receive: Callable[[int], None], count: int = 2_000) -> float:
    """Microseconds, of the cheapest of five rounds: what else the machine does only adds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for number in range(count):
            receive(number)
        rounds.append(time.process_time() - began)
    return min(rounds) / count * 1e6


async def cost_of_turns(receive: Callable[[], None], count: int = 200) -> float:
    """The same of what waits for its turn and is read in the loop's next turns, which are counted in."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            receive()
            for _ in range(3):
                await asyncio.sleep(0)
        rounds.append(time.process_time() - began)
    return min(rounds) / count * 1e6


def every_first_byte(seed: int) -> Iterator[bytes]:
    """Of many lengths; some of what might be STUN has its cookie, and a length that is right."""
    chance = noise(seed)
    for length in LENGTHS:
        for first in range(256):
            data = bytes([first]) + chance.randbytes(length - 1)
            if first <= 3 and length >= 20 and chance.random() < 0.7:
                data = data[:2] + (length - 20).to_bytes(2, "big") + stun.COOKIE.to_bytes(4, "big") + data[8:]
            yield data


def record(kind: int, epoch: int, number: int, body: bytes) -> bytes:
    return RECORD.pack(kind, DTLS_1_2, epoch, 0, number, len(body)) + body


ALERTS: Final = (b"\x01\x00", b"\x02\x00", b"\x02\x28", b"\x02\x0a", b"\x02")
"""Close notify; the same, fatal; handshake failure; unexpected message; half of one."""
