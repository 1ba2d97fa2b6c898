"""STUN by the vectors of RFC 5769, by a second implementation (aioice), and by bytes nobody would send."""

from __future__ import annotations

import hashlib

import pytest
from aioice import stun as peer
from hypothesis import given
from hypothesis import strategies as st

from media_sfu import stun
from media_sfu.stun import Klass, StunError

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
# RFC 5769 2.1
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
# RFC 5769 2.2
RESPONSE_V4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
# RFC 5769 2.3
RESPONSE_V6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
# RFC 5769 2.4
REQUEST_LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)


def attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def message(*attributes: bytes, kind: int = 1) -> bytes:
    body = b"".join(attributes)
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION + body


def binding(**more: int | bool | None) -> bytes:
    return stun.request(TRANSACTION, username="a:b", password=PASSWORD, **more)  # type: ignore[arg-type]


def read_by_peer(data: bytes) -> peer.Message:
    got = peer.parse_message(data)
    assert got.check_message_integrity(PASSWORD)
    return got


class TestVectors:
    def test_the_sample_request_is_read(self) -> None:
        got = stun.parse(REQUEST)
        assert (got.method, got.klass, got.transaction) == (stun.BINDING, Klass.REQUEST, TRANSACTION)
        assert got.username == "evtj:h6vY"
        assert got.priority == 0x6E0001FF
        assert got.controlled == 0x932FF9B151263B36
        assert got.controlling is None
        assert not got.use_candidate
        assert got.fingerprint
        assert got.unknown == ()

    def test_its_integrity_holds_by_its_password_alone(self) -> None:
        got = stun.parse(REQUEST)
        assert got.authentic(PASSWORD)
        assert not got.authentic(PASSWORD[:-1])
        assert not got.authentic(b"")

    @pytest.mark.parametrize(
        ("data", "address"),
        [
            (RESPONSE_V4, ("192.0.2.1", 32853)),
            (RESPONSE_V6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
        ],
        ids=["IPv4", "IPv6"],
    )
    def test_the_sample_responses_are_read(self, data: bytes, address: stun.Address) -> None:
        got = stun.parse(data)
        assert got.klass is Klass.SUCCESS
        assert got.mapped == address
        assert got.authentic(PASSWORD)

    def test_the_sample_request_with_long_term_credentials_is_read(self) -> None:
        got = stun.parse(REQUEST_LONG_TERM)
        assert got.username == "マトリックス"
        assert not got.fingerprint
        assert got.unknown == (0x0015, 0x0014)  # NONCE and REALM: not ICE's
        assert got.authentic(hashlib.md5("マトリックス:example.org:TheMatrIX".encode()).digest())

    @pytest.mark.parametrize("at", [at for at in range(len(REQUEST)) if at not in (100, 101)])
    def test_one_bit_turned_anywhere_is_noticed(self, at: int) -> None:
        with pytest.raises(StunError):
            stun.parse(bytes([*REQUEST[:at], REQUEST[at] ^ 1, *REQUEST[at + 1 :]]))

    def test_a_fingerprint_renamed_is_none_and_the_integrity_still_holds(self) -> None:
        got = stun.parse(REQUEST[:100] + b"\x80\x29" + REQUEST[102:])
        assert not got.fingerprint
        assert got.authentic(PASSWORD)


class TestBuilders:
    def test_a_request_is_what_the_other_implementation_reads(self) -> None:
        data = binding(priority=0x6EFFFFFF, controlled=2**64 - 1, use_candidate=True)
        got = read_by_peer(data)
        assert (got.message_method, got.message_class) == (peer.Method.BINDING, peer.Class.REQUEST)
        assert got.transaction_id == TRANSACTION
        assert got.attributes["USERNAME"] == "a:b"
        assert got.attributes["PRIORITY"] == 0x6EFFFFFF
        assert got.attributes["ICE-CONTROLLED"] == 2**64 - 1
        assert "USE-CANDIDATE" in got.attributes
        assert {"MESSAGE-INTEGRITY", "FINGERPRINT"} <= got.attributes.keys()

    @pytest.mark.parametrize("address", [("192.0.2.7", 9), ("2001:db8::7", 65535)])
    def test_a_success_is_what_the_other_implementation_reads(self, address: stun.Address) -> None:
        data = stun.success(stun.parse(binding()), address, PASSWORD)
        got = read_by_peer(data)
        assert (got.message_class, got.transaction_id) == (peer.Class.RESPONSE, TRANSACTION)
        assert got.attributes["XOR-MAPPED-ADDRESS"] == address
        assert "FINGERPRINT" in got.attributes
        assert stun.parse(data).mapped == address

    def test_an_ipv4_sender_seen_by_a_dual_stack_socket_is_told_its_ipv4_address(self) -> None:
        assert stun.parse(stun.success(stun.parse(binding()), ("::ffff:192.0.2.7", 9), PASSWORD)).mapped == (
            "192.0.2.7",
            9,
        )

    def test_what_is_no_address_is_refused(self) -> None:
        for host in ("localhost", "fe80::1%eth0", ""):
            with pytest.raises(StunError):
                stun.success(stun.parse(binding()), (host, 1), PASSWORD)

    def test_a_failure_is_what_the_other_implementation_reads(self) -> None:
        data = stun.failure(stun.parse(binding()), 487, "Role Conflict", PASSWORD)
        got = read_by_peer(data)
        assert got.message_class == peer.Class.ERROR
        assert got.attributes["ERROR-CODE"] == (487, "Role Conflict")
        assert "FINGERPRINT" in got.attributes
        assert stun.parse(data).error == (487, "Role Conflict")

    def test_a_failure_without_a_password_has_no_integrity_but_a_fingerprint(self) -> None:
        got = stun.parse(stun.failure(stun.parse(binding()), 401, "Unauthenticated", None))
        assert not got.integrity_at
        assert not got.authentic(PASSWORD)
        assert got.fingerprint

    def test_420_names_what_was_not_understood(self) -> None:
        strange = stun.parse(
            message(attribute(0x0026, b"padding"), attribute(0x7FFF, b""), attribute(0xC057, bytes(4)))
        )
        assert strange.unknown == (0x0026, 0x7FFF)
        answer = stun.parse(stun.failure(strange, 420, "Unknown Attribute", PASSWORD))
        assert answer.error == (420, "Unknown Attribute")
        assert answer.attributes[0x000A] == b"\x00\x26\x7f\xff"

    def test_what_the_other_implementation_builds_is_read(self) -> None:
        built = peer.Message(message_method=peer.Method.BINDING, message_class=peer.Class.REQUEST)
        built.attributes["USERNAME"] = "left:right"
        built.attributes["PRIORITY"] = 1
        built.attributes["ICE-CONTROLLING"] = 77
        built.attributes["USE-CANDIDATE"] = None
        built.add_message_integrity(PASSWORD)
        got = stun.parse(bytes(built))
        assert (got.username, got.priority, got.controlling, got.use_candidate) == ("left:right", 1, 77, True)
        assert got.transaction == built.transaction_id
        assert got.authentic(PASSWORD)


class TestRefusals:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            REQUEST[:19],
            REQUEST[:-4],
            REQUEST + bytes(4),
            message(attribute(0x8022, bytes(stun.MOST))),
            b"\x80" + message()[1:],  # RTP's version bits
            message()[:4] + bytes(4) + message()[8:],  # RFC 3489's, without a cookie
            message(b"\x00\x06\x00\x05abcd"),
            message(attribute(0x0006, b"\xff\xfe")),
            message(attribute(0x0006, bytes(514))),
            message(attribute(0x0008, bytes(19))),
            message(attribute(0x0024, bytes(5))),
            message(attribute(0x0025, b"x")),
            message(attribute(0x8029, bytes(4))),
            message(attribute(0x802A, bytes(9))),
            message(attribute(0x8028, bytes(3))),
            message(attribute(0x8028, bytes(4))),
            message(attribute(0x0020, b""), kind=0x0101),
            message(attribute(0x0020, b"\x00\x01" + bytes(18)), kind=0x0101),
            message(attribute(0x0020, b"\x00\x03" + bytes(6)), kind=0x0101),
            message(attribute(0x0009, b"\x00\x00\x04"), kind=0x0111),
            message(attribute(0x0009, b"\x00\x00\x02\x00"), kind=0x0111),
            message(attribute(0x0009, b"\x00\x00\x04\x64"), kind=0x0111),
            REQUEST[:2] + (len(REQUEST) - 16).to_bytes(2, "big") + REQUEST[4:] + attribute(0x8022, b""),
        ],
    )
    def test_a_malformed_message_is_refused(self, data: bytes) -> None:
        with pytest.raises(StunError):
            stun.parse(data)

    def test_what_stands_behind_the_integrity_is_not_seen(self) -> None:
        sealed = binding()[:-8]
        body = sealed[20:] + attribute(0x0025, b"") + attribute(0x7FFF, b"")
        got = stun.parse(sealed[:2] + len(body).to_bytes(2, "big") + sealed[4:20] + body)
        assert got.authentic(PASSWORD)
        assert not got.use_candidate
        assert got.unknown == ()

    def test_the_first_of_two_attributes_counts(self) -> None:
        assert stun.parse(message(attribute(0x0006, b"one"), attribute(0x0006, b"two"))).username == "one"

    def test_methods_and_classes_are_read_from_their_scattered_bits(self) -> None:
        for kind, method, klass in ((0x0011, 1, 1), (0x0113, 3, 3), (0x3EEF, 0xFFF, 0), (0x3FFF, 0xFFF, 3)):
            got = stun.parse(message(kind=kind))
            assert (got.method, got.klass) == (method, Klass(klass))


def check_whatever_is_read(data: bytes) -> None:
    """`data` is refused by StunError, or everything the message says is of its kind."""
    try:
        got = stun.parse(data)
    except StunError:
        return
    assert len(got.transaction) == 12
    assert got.username is None or len(got.username.encode()) <= stun.USERNAME_MOST
    assert all(number is None or 0 <= number < 2**64 for number in (got.priority, got.controlling, got.controlled))
    assert got.mapped is None or 0 <= got.mapped[1] <= 0xFFFF
    assert got.error is None or 300 <= got.error[0] <= 699
    assert all(kind < 0x8000 for kind in got.unknown)
    assert got.authentic(PASSWORD) in (True, False)
    named = stun.parse(stun.failure(got, 420, "Unknown Attribute", None)).attributes[0x000A]
    assert len(named) == 2 * min(16, len(got.unknown))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_stun_error(data: bytes) -> None:
    check_whatever_is_read(data)
    check_whatever_is_read(message(kind=0x0101) + data)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF) | st.sampled_from([*stun.Attribute]), st.binary(max_size=30))))
def test_arbitrary_attributes_are_a_message_or_a_stun_error(attributes: list[tuple[int, bytes]]) -> None:
    check_whatever_is_read(message(*(attribute(kind, value) for kind, value in attributes)))


@given(
    st.sampled_from([REQUEST[:-8], RESPONSE_V4[:-8], RESPONSE_V6[:-8], REQUEST_LONG_TERM]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    st.integers(0, 120),
)
def test_mutated_messages_are_a_message_or_a_stun_error(data: bytes, changes: list[tuple[int, int]], keep: int) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    check_whatever_is_read(bytes(changed))
    cut = bytes(changed[: 20 + keep])
    check_whatever_is_read(cut[:2] + (len(cut) - 20).to_bytes(2, "big") + cut[4:])
