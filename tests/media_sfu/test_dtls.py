import asyncio
import logging
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)

from media_sfu import dtls
from media_sfu.certificate import Certificate, colons
from media_sfu.dtls import Dtls
from media_sfu.srtp import Inbound, Outbound
from media_sfu.udp import UdpPath, UdpSocket

DEADLINE_SECONDS = 20.0

CERTIFICATE = Certificate.new()
CLIENT_CERTIFICATE = RTCCertificate.generateCertificate()
CLIENT_FINGERPRINT = bytes.fromhex(
    next(f.value for f in CLIENT_CERTIFICATE.getFingerprints() if f.algorithm == "sha-256").replace(":", "")
)


class Client:
    """A stock aiortc transport in the client's role, over a UDP socket of its own on loopback.

    `fate(number)` tells how often its datagram of that number is sent: 0 lost, 2 repeated.
    """

    role = "controlling"

    def __init__(self, server: UdpSocket, fate: Callable[[int], int] = lambda number: 1) -> None:
        self.socket = UdpSocket.bind("127.0.0.1", 0)
        self.path = self.socket.path(server.address)
        self.sent = 0
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._fate = fate
        self.socket.listen(lambda data, path: self.heard.put_nowait(data))
        self.transport = RTCDtlsTransport(cast(Any, self), [CLIENT_CERTIFICATE])
        self.transport._set_role("client")

    def close(self) -> None:
        self.socket.close()

    async def start(self, fingerprint: bytes = CERTIFICATE.fingerprint) -> str:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.transport.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", colons(fingerprint))]))
        return self.transport.state

    async def _recv(self) -> bytes:
        return await self.heard.get()

    async def _send(self, data: bytes) -> None:
        self.sent += 1
        for _ in range(self._fate(self.sent)):
            self.path.send(data)


class Server:
    """Our side over a real socket, with what it told."""

    def __init__(
        self,
        fingerprint: bytes = CLIENT_FINGERPRINT,
        fate: Callable[[int], int] = lambda number: 1,
        seconds: float = DEADLINE_SECONDS,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.socket = UdpSocket.bind("127.0.0.1", 0)
        self.ready: asyncio.Future[tuple[Outbound, Inbound]] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.path: UdpPath | None = None
        self.sent: list[bytes] = []
        self.answered = asyncio.Event()
        self._fate = fate
        self.dtls = Dtls(
            CERTIFICATE, fingerprint, self._send, self._ready, self.ended.set_result, handshake_seconds=seconds
        )
        self.socket.listen(self._receive)

    def close(self) -> None:
        self.dtls.close()
        self.socket.close()

    async def until_ready(self) -> tuple[Outbound, Inbound]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.ready

    async def until_ended(self) -> str:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.ended

    def _receive(self, data: bytes, path: UdpPath) -> None:
        self.path = path
        self.dtls.receive(data)

    def _send(self, data: bytes) -> None:
        self.sent.append(data)
        self.answered.set()
        assert self.path is not None
        for _ in range(self._fate(len(self.sent))):
            self.path.send(data)

    def _ready(self, outbound: Outbound, inbound: Inbound) -> None:
        self.ready.set_result((outbound, inbound))


def rtp(sequence: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence, 960 * sequence, 7) + b"speech" * 20


async def assert_they_talk(server: Server, client: Client) -> None:
    outbound, inbound = await server.until_ready()
    theirs: Any = client.transport
    sealed = outbound.seal(rtp(1))
    assert sealed is not None
    assert theirs._rx_srtp.unprotect(sealed) == rtp(1)
    assert inbound.open(theirs._tx_srtp.protect(rtp(2))) == rtp(2)
    report = struct.pack("!BBHI", 0x80, 201, 1, 7)
    sealed = outbound.seal_rtcp(report)
    assert sealed is not None
    assert theirs._rx_srtp.unprotect_rtcp(sealed) == report
    assert inbound.open_rtcp(theirs._tx_srtp.protect_rtcp(report)) == report


@pytest.mark.parametrize(
    "profiles",
    [SRTP_PROFILES, [SRTP_AEAD_AES_128_GCM], [SRTP_AES128_CM_SHA1_80]],
    ids=["all", "aes-128-gcm", "aes-128-cm"],
)
async def test_a_handshake_gives_keys_that_fit_the_other_side(profiles: list[SRTPProtectionProfile]) -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        client.transport._srtp_profiles = profiles
        server.dtls.start()
        assert await client.start() == "connected"
        await assert_they_talk(server, client)
        assert not server.ended.done()
        await client.transport.stop()
        assert await server.until_ended() == "the peer ended its DTLS connection"


async def test_datagrams_lost_and_repeated_both_ways_are_made_up_for() -> None:
    """The first of each side is lost, the second comes twice, and so on."""

    def fate(number: int) -> int:
        return {1: 0, 2: 2, 3: 1}.get(number, 2)

    with closing(Server(fate=fate)) as server, closing(Client(server.socket, fate)) as client:
        server.dtls.start()
        assert await client.start() == "connected"
        await assert_they_talk(server, client)


async def test_the_last_flight_is_sent_again_after_the_handshake() -> None:
    """The client never saw our Finished, and asks by repeating its own."""
    server = Server(fate=lambda number: 0 if number == 2 else 1)
    with closing(server), closing(Client(server.socket)) as client:
        server.dtls.start()
        starting = asyncio.ensure_future(client.start())
        await server.until_ready()
        assert not starting.done()
        assert await starting == "connected"
        await assert_they_talk(server, client)


async def test_a_handshake_that_never_begins_or_never_ends_is_given_up() -> None:
    with closing(Server(seconds=0.05)) as silent:
        silent.dtls.start()
        assert await silent.until_ended() == "no DTLS handshake within 0.05 s"
    server = Server(seconds=0.3)
    with closing(server), closing(Client(server.socket, lambda number: int(number == 1))) as client:
        server.dtls.start()
        starting = asyncio.ensure_future(client.start())
        assert await server.until_ended() == "no DTLS handshake within 0.3 s"
        assert server.sent
        assert not server.ready.done()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def test_the_wrong_certificate_ends_it_without_keys() -> None:
    with closing(Server(fingerprint=bytes(32))) as server, closing(Client(server.socket)) as client:
        server.dtls.start()
        await client.start()
        assert await server.until_ended() == "the peer's certificate is not the one of its fingerprint"
        assert not server.ready.done()


async def test_no_common_srtp_profile_ends_it() -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        client.transport._srtp_profiles = [
            SRTPProtectionProfile(
                libsrtp_profile=2, openssl_profile=b"SRTP_AES128_CM_SHA1_32", key_length=16, salt_length=14
            )
        ]
        server.dtls.start()
        await client.start()
        assert await server.until_ended() == "the peer agrees to no SRTP profile of ours"


async def test_a_flood_is_bounded_and_the_handshake_still_succeeds() -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        server.dtls.start()
        for _ in range(1_000):
            server.dtls.receive(b"\x16\xfe\xfd" + bytes(1_200))
        assert server.dtls.dropped == 1_000 - dtls.QUEUE
        for data in (b"", b"\x80media", b"\x00\x01stun", b"\xff"):
            server.dtls.receive(data)
        assert server.dtls.dropped == 1_004 - dtls.QUEUE
        assert await client.start() == "connected"
        await assert_they_talk(server, client)
        # Afterwards as well: aiortc's own task reads what comes now.
        for _ in range(1_000):
            server.dtls.receive(b"\x17\xfe\xfd" + bytes(1_200))
        assert server.dtls.dropped == 2_004 - 2 * dtls.QUEUE
        await client.transport.stop()
        assert await server.until_ended() == "the peer ended its DTLS connection"


async def test_bytes_that_are_no_handshake_never_raise(caplog: pytest.LogCaptureFixture) -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        server.dtls.start()
        with caplog.at_level(logging.WARNING):
            for first in range(20, 64):
                for length in (0, 1, 12, 13, 40, 1_500):
                    server.dtls.receive(bytes([first, 0xFE, 0xFD]) + bytes([first] * length))
                await asyncio.sleep(0)
            assert await client.start() == "connected"
            await assert_they_talk(server, client)
        assert not caplog.records


async def test_closing_tells_the_peer_once_and_nobody_else() -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        server.dtls.start()
        assert await client.start() == "connected"
        await server.until_ready()
        closed = asyncio.Event()

        @client.transport.on("statechange")
        def changed() -> None:
            closed.set()

        server.dtls.close()
        server.dtls.close()
        server.dtls.receive(b"\x17late")
        async with asyncio.timeout(DEADLINE_SECONDS):
            await closed.wait()
        assert client.transport.state == "closed"
        assert not server.ended.done()


async def test_closing_before_or_in_the_handshake_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    with closing(Server()) as never, closing(Server()) as server, closing(Client(server.socket)) as client:
        never.dtls.close()
        never.dtls.start()
        server.dtls.start()
        starting = asyncio.ensure_future(client.start())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await server.answered.wait()
        server.dtls.close()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert not server.ended.done()
        assert not server.ready.done()


async def test_a_receiver_of_the_keys_that_fails_ends_only_this_one(caplog: pytest.LogCaptureFixture) -> None:
    with closing(Server()) as server, closing(Client(server.socket)) as client:
        server.ready.cancel()
        server.dtls.start()
        with caplog.at_level(logging.CRITICAL, logger="media_sfu.dtls"):
            assert await client.start() == "connected"
            assert await server.until_ended() == "the DTLS handshake broke off"
