import os
import random
import struct

import pytest

from media_sfu import srtp
from media_sfu.srtp import PROFILES, Inbound, Outbound, Profile, ffi, lib

SPEECH = b"plain speech that nobody else may hear" * 3


def rtp(sequence: int, payload: bytes = SPEECH, ssrc: int = 7) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence & 0xFFFF, 960 * sequence & 0xFFFFFFFF, ssrc) + payload


def receiver_report(ssrc: int = 7) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def pair(profile: Profile) -> tuple[Outbound, Inbound]:
    key = os.urandom(profile.key_length + profile.salt_length)
    return Outbound(key, profile), Inbound(key, profile)


@pytest.fixture(params=list(PROFILES.values()), ids=lambda profile: profile.name.decode())
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


def test_what_is_sealed_opens_and_is_longer_by_the_overhead(profile: Profile) -> None:
    out, into = pair(profile)
    sealed = out.seal(rtp(1))
    assert sealed is not None
    assert SPEECH not in sealed
    assert len(sealed) == len(rtp(1)) + profile.overhead
    assert into.open(sealed) == rtp(1)
    report = out.seal_rtcp(receiver_report())
    assert report is not None
    assert into.open_rtcp(report) == receiver_report()
    assert (out.failures, into.failures, into.replays) == (0, 0, 0)


def test_a_retransmission_is_byte_identical(profile: Profile) -> None:
    out, into = pair(profile)
    first = [out.seal(rtp(n)) for n in range(65_500, 65_600)]
    assert [out.seal(rtp(n)) for n in range(65_540, 65_590)] == first[40:90]
    opened = [into.open(packet) for packet in first if packet is not None]
    assert opened == [rtp(n) for n in range(65_500, 65_600)]


def test_what_failed_to_protect_is_never_returned(profile: Profile) -> None:
    out, _ = pair(profile)
    assert out.seal(rtp(20_000)) is not None
    assert out.seal(rtp(10_000)) is None
    assert out.failures == 1
    assert out.seal(rtp(20_001)) is not None
    out.close()
    assert out.seal(rtp(20_002)) is None
    assert out.seal_rtcp(receiver_report()) is None
    assert out.failures == 3


def test_protecting_in_place_tells_its_failure_and_the_torn_session_fails_too(profile: Profile) -> None:
    out, _ = pair(profile)
    buffer, length = ffi.new("char[]", 2_000), ffi.new("int *")

    def status(sequence: int) -> int:
        packet = rtp(sequence)
        ffi.memmove(buffer, packet, len(packet))
        length[0] = len(packet)
        code: int = lib.srtp_protect(out.session, buffer, length)
        return code

    assert status(20_000) == 0
    assert length[0] == len(rtp(1)) + profile.overhead
    assert status(10_000) == 10
    # What makes the return code matter: the speech still lies in the buffer.
    assert SPEECH in bytes(ffi.buffer(buffer, 200))
    out.close()
    assert status(20_001) != 0


def test_a_session_lives_as_long_as_somebody_holds_its_pointer(profile: Profile) -> None:
    out, into = pair(profile)
    session = out.session
    del out
    buffer, length = ffi.new("char[]", 2_000), ffi.new("int *", len(rtp(1)))
    ffi.memmove(buffer, rtp(1), len(rtp(1)))
    assert lib.srtp_protect(session, buffer, length) == 0
    assert into.open(bytes(ffi.buffer(buffer, length[0]))) == rtp(1)


def test_forged_and_replayed_packets_give_nothing_and_are_counted(profile: Profile) -> None:
    out, into = pair(profile)
    sealed = out.seal(rtp(5_000))
    assert sealed is not None
    for at in (2, 9, 12, 40, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[at] ^= 1
        assert into.open(bytes(damaged)) is None
    assert (into.failures, into.replays) == (5, 0)
    assert into.open(sealed) == rtp(5_000)
    assert into.open(sealed) is None
    assert (into.failures, into.replays) == (5, 1)
    stranger, _ = pair(profile)
    foreign = stranger.seal(rtp(5_001))
    assert foreign is not None
    assert into.open(foreign) is None
    into.close()
    later = out.seal(rtp(5_002))
    assert later is not None
    assert into.open(later) is None


def test_arbitrary_bytes_are_counted_and_never_raise(profile: Profile) -> None:
    _, into = pair(profile)
    dice = random.Random(6)
    for _round in range(2_000):
        data = dice.randbytes(dice.randrange(0, 120))
        assert into.open(data) is None
        assert into.open_rtcp(b"\x80\xc9" + data) is None
    assert into.open(bytes(9_000)) is None
    assert into.open(b"") is None
    assert into.failures + into.replays == 4_002


def test_a_peer_cannot_grow_us_with_new_ssrcs(profile: Profile) -> None:
    out, into = pair(profile)
    opened = 0
    for ssrc in range(100, 200):
        sealed = out.seal(rtp(1, ssrc=ssrc))
        assert sealed is not None
        opened += into.open(sealed) is not None
    assert opened == srtp.MOST_SSRCS
    assert into.failures == 100 - srtp.MOST_SSRCS
    known = out.seal(rtp(2, ssrc=100))
    assert known is not None
    assert into.open(known) is not None


def test_oversize_and_short_keys_are_refused(profile: Profile) -> None:
    out, _ = pair(profile)
    assert out.seal(rtp(1, bytes(2_000))) is None
    assert out.failures == 1
    with pytest.raises(ValueError, match="key must contain"):
        Outbound(b"short", profile)


def test_exported_material_is_cut_as_rfc_5764_says() -> None:
    profile = srtp.AEAD_AES_128_GCM
    keying = bytes(range(profile.keying_length))
    client, server = profile.split(keying)
    assert client == bytes(range(16)) + bytes(range(32, 44))
    assert server == bytes(range(16, 32)) + bytes(range(44, 56))
