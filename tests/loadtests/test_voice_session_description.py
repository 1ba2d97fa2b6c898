"""Offers and answers of the synthetic clients."""

from __future__ import annotations

import pytest

from loadtests.voice import session_description
from loadtests.voice.session_description import OPUS, RED, DescriptionRefused, Own

OWN = Own.new("AB:CD", setup="active")


def test_an_offer_has_one_microphone_and_its_slots() -> None:
    read = session_description.read(session_description.offer(OWN, sends=True, slots=3))

    assert (read.fragment, read.password, read.fingerprint, read.setup) == (
        OWN.fragment,
        OWN.password,
        "AB:CD",
        "active",
    )
    assert [section.direction for section in read.sections] == ["sendonly", "recvonly", "recvonly", "recvonly"]
    assert [section.mid for section in read.sections] == ["0", "1", "2", "3"]
    assert read.sections[0].ssrcs == (OWN.ssrc,)
    assert read.sections[0].level_id == session_description.LEVEL_ID
    assert read.sections[0].formats == (OPUS, RED)
    assert read.formats == {OPUS: "opus/48000/2", RED: "red/48000/2"}


def test_red_and_nack_are_offered_only_if_wanted() -> None:
    plain = session_description.offer(OWN, sends=False, slots=1, red=False, nack=False)
    both = session_description.offer(OWN, sends=False, slots=1)

    assert "red" not in plain
    assert "nack" not in plain
    assert f"a=fmtp:{RED} {OPUS}/{OPUS}" in both
    assert f"a=rtcp-fb:{OPUS} nack" in both


def test_an_answer_receives_what_was_offered() -> None:
    offered = session_description.read(
        session_description.offer(Own.new("EF"), sends=True, slots=0).replace("a=mid:0", "a=mid:audio")
    )

    answered = session_description.read(session_description.answer(OWN, offered))

    assert [(section.mid, section.direction) for section in answered.sections] == [("audio", "recvonly")]


def test_the_best_address_over_udp_comes_first() -> None:
    candidates = [
        "a=candidate:1 1 udp 100 127.0.0.2 4000 typ host",
        "a=candidate:2 1 udp 200 127.0.0.1 4000 typ host",
        "a=candidate:3 1 tcp 900 127.0.0.1 4000 typ host tcptype passive",
        "a=candidate:4 1 udp 900 fe80::1 4000 typ host",
        "a=candidate:5 1 udp 900 someone.local 4000 typ host",
    ]
    text = session_description.offer(OWN, sends=True, slots=0) + "\r\n".join([*candidates, ""])

    assert session_description.read(text).addresses == (("127.0.0.1", 4000), ("127.0.0.2", 4000))


def test_a_description_without_a_fingerprint_is_refused() -> None:
    text = session_description.offer(OWN, sends=True, slots=0).replace("a=fingerprint", "a=nothing")

    with pytest.raises(DescriptionRefused, match="fingerprint"):
        session_description.read(text)
