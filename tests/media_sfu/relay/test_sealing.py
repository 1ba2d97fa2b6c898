"""Nobody without the key is believed, nothing is believed twice, and no index is used twice."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from media_sfu.relay.sealing import HEADER_BYTES, STRETCH, Opener, PairKeys, Sealer, tag_of

KEY = bytes(range(32))
KEYS = PairKeys.derive(KEY, "one", "two")


def sealer(keys: PairKeys = KEYS) -> Sealer:
    return Sealer(keys, itertools.count(1))


def seal(which: Sealer, plain: bytes = b"spoken") -> bytes:
    sealed = which.seal(plain)
    assert sealed is not None
    return sealed


def test_what_is_sealed_is_opened_and_the_pair_is_told_by_its_tag() -> None:
    sealed = seal(sealer())
    assert b"spoken" not in sealed
    assert tag_of(sealed) == KEYS.tag
    assert Opener(KEYS).open(sealed) == b"spoken"


def test_each_direction_of_each_pair_has_keys_of_its_own() -> None:
    made = [
        PairKeys.derive(KEY, sender, receiver)
        for sender, receiver in [("one", "two"), ("two", "one"), ("one", "three"), ("on", "etwo")]
    ] + [PairKeys.derive(bytes(32), "one", "two")]
    assert len({keys.master for keys in made}) == len({keys.tag for keys in made}) == len(made)
    opener = Opener(made[1])
    assert opener.open(seal(sealer(made[0]))) is None
    assert opener.forged == 1


def test_the_keys_are_in_no_text() -> None:
    assert repr(KEYS) == f"PairKeys(tag={KEYS.tag:#010x})"


def test_a_packet_is_believed_once() -> None:
    sending, opener = sealer(), Opener(KEYS)
    first, second = seal(sending, b"1"), seal(sending, b"2")
    assert [opener.open(second), opener.open(first)] == [b"2", b"1"]
    assert [opener.open(second), opener.open(first)] == [None, None]
    assert (opener.replayed, opener.forged) == (2, 0)


def test_indices_are_never_used_twice_and_go_on_beyond_one_ssrc() -> None:
    sending, opener = sealer(), Opener(KEYS)
    seen: set[bytes] = set()
    packets = [seal(sending, number.to_bytes(4, "big")) for number in range(2 * STRETCH + 10)]
    for number, packet in enumerate(packets):
        index = packet[2:4] + packet[8:HEADER_BYTES]
        assert index not in seen
        seen.add(index)
        assert opener.open(packet) == number.to_bytes(4, "big")
    # Whatever was seen stays seen, however long ago.
    for old in (0, 1, STRETCH - 1, STRETCH, 2 * STRETCH, len(packets) - 1):
        assert opener.open(packets[old]) is None
    assert (opener.replayed, opener.forged) == (6, 0)


def test_the_last_of_one_ssrc_may_come_after_the_first_of_the_next() -> None:
    sending, opener = sealer(), Opener(KEYS)
    packets = [seal(sending, number.to_bytes(4, "big")) for number in range(STRETCH + 1)]
    for number in (0, STRETCH, STRETCH - 1):
        assert opener.open(packets[number]) == number.to_bytes(4, "big")


def test_who_begins_to_listen_late_understands() -> None:
    sending = sealer()
    for _ in range(3 * STRETCH - 5):
        last = seal(sending, b"late")
    assert Opener(KEYS).open(last) == b"late"


def test_a_second_sealer_of_a_pair_goes_on_where_no_other_was() -> None:
    ssrcs = itertools.count(1)
    first, opener = Sealer(KEYS, ssrcs), Opener(KEYS)
    before = seal(first, b"before")
    assert opener.open(before) == b"before"
    assert opener.open(seal(Sealer(KEYS, ssrcs), b"after")) == b"after"
    assert opener.open(before) is None


@given(st.data())
def test_a_changed_packet_is_not_believed(data: st.DataObject) -> None:
    sending, opener = sealer(), Opener(KEYS)
    assert opener.open(seal(sending, b"genuine")) == b"genuine"
    packet = bytearray(seal(sending, b"to be changed"))
    at = data.draw(st.integers(0, len(packet) - 1))
    if at in range(4, 8):
        return  # the tag is looked at by whoever chooses the opener; it is authentic too, as the next test shows
    packet[at] ^= data.draw(st.integers(1, 255))
    assert opener.open(bytes(packet)) is None
    assert opener.forged + opener.replayed == 1


def test_the_whole_header_is_authentic() -> None:
    opener = Opener(KEYS)
    for at in range(HEADER_BYTES):
        packet = bytearray(seal(sealer()))
        packet[at] ^= 1
        assert opener.open(bytes(packet)) is None
    assert opener.forged == HEADER_BYTES


@given(st.binary(min_size=HEADER_BYTES, max_size=200))
def test_any_bytes_open_nothing(data: bytes) -> None:
    assert Opener(KEYS).open(data) is None


def test_what_is_too_large_is_not_sent() -> None:
    sending = sealer()
    assert sending.seal(bytes(2_000)) is None
    assert sending.failures == 1
    assert Opener(KEYS).open(seal(sending)) == b"spoken"
