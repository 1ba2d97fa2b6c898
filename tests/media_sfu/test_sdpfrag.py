"""Fragments: what trickling and restarting clients send, and our answer to a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu import offer as offers
from media_sfu import sdpfrag
from media_sfu.ice import Credentials
from media_sfu.sdp import SdpError
from media_sfu.sdpfrag import Candidate
from tests.media_sfu.mutation import mutated
from tests.media_sfu.recorded import TCP, UDP, UDP6, offer_text

# As Chromium's candidates come, one of them with its name hidden.
TRICKLED = (
    "a=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=mid:0\r\n"
    "a=ice-ufrag:pIur\r\n"
    "a=ice-pwd:/gFblzpzNUr7iH1mmny/sZ2J\r\n"
    "a=candidate:2362631830 1 udp 2122063615 192.0.2.2 34292 typ host generation 0 ufrag pIur network-id 1\r\n"
    "a=candidate:267824577 1 udp 2122267903 2001:db8::2 58978 typ host generation 0 ufrag pIur\r\n"
    "a=candidate:1 1 udp 2113937151 1f6f3d5e-7c8a-4d1b-9c55-0c2a8f7f2b11.local 53171 typ host\r\n"
    "a=candidate:4 1 TCP 1518214911 192.0.2.2 9 typ host tcptype active\r\n"
    "a=candidate:5 1 udp 1685987071 198.51.100.7 54021 typ srflx raddr 192.0.2.2 rport 54021\r\n"
    "a=end-of-candidates\r\n"
)
CURRENT = Credentials("pIur", "/gFblzpzNUr7iH1mmny/sZ2J")


def test_trickled_candidates_are_read_and_ask_for_no_restart() -> None:
    found = sdpfrag.read(TRICKLED)

    assert found.credentials == CURRENT
    assert not found.restarts(CURRENT)
    assert found.end
    assert found.candidates == (
        Candidate("udp", "192.0.2.2", 34292, "host", 2122063615),
        Candidate("udp", "2001:db8::2", 58978, "host", 2122267903),
        Candidate("udp", "1f6f3d5e-7c8a-4d1b-9c55-0c2a8f7f2b11.local", 53171, "host", 2113937151),
        Candidate("tcp", "192.0.2.2", 9, "host", 1518214911),
        Candidate("udp", "198.51.100.7", 54021, "srflx", 1685987071),
    )


def test_credentials_of_the_session_and_none_at_all() -> None:
    lines = TRICKLED.split("\r\n")
    moved = "\r\n".join(lines[3:5] + lines[:3] + lines[5:])
    assert sdpfrag.read(moved).credentials == CURRENT

    found = sdpfrag.read("\r\n".join(lines[:3] + lines[5:10]))
    assert found.credentials is None
    assert not found.restarts(CURRENT)
    assert not found.end


def test_other_credentials_ask_for_a_restart() -> None:
    found = sdpfrag.read(TRICKLED.replace("pIur", "9xYz").replace("/gFb", "+++b"))
    assert found.restarts(CURRENT)
    assert found.credentials == Credentials("9xYz", "+++blzpzNUr7iH1mmny/sZ2J")
    assert "+++blzpz" not in repr(found)


def test_the_answer_to_a_restart() -> None:
    renewed = Credentials.new()
    mids = offers.read(offer_text("firefox_153_video_data")).mids

    text = sdpfrag.answer(renewed, (UDP, UDP6, TCP), mids)

    assert text.split("\r\n") == [
        "a=ice-lite",
        "a=ice-options:trickle",
        "a=group:BUNDLE 0 1 2 3",
        "m=audio 9 RTP/AVP 0",
        "a=mid:0",
        f"a=ice-ufrag:{renewed.fragment}",
        f"a=ice-pwd:{renewed.password}",
        "a=candidate:1 1 udp 2130706431 192.0.2.10 8082 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::10 8082 typ host",
        "a=candidate:3 1 tcp 1520434687 192.0.2.10 8083 typ host tcptype passive",
        "a=end-of-candidates",
        "",
    ]
    read = sdpfrag.read(text)
    assert read.credentials == renewed
    assert [(each.host, each.port) for each in read.candidates] == [(each.host, each.port) for each in (UDP, UDP6, TCP)]


@pytest.mark.parametrize(
    "candidate",
    [
        "1 1 udp 1 192.0.2.2 65536 typ host",
        "1 1 udp 4294967296 192.0.2.2 1 typ host",
        "1 1 sctp 1 192.0.2.2 1 typ host",
        "1 1 udp 1 192.0.2.2 1 typ guess",
        "1 1 udp 1 <b> 1 typ host",
        "1 1 udp 1 192.0.2.2 1 typ host raddr",
        "",
    ],
)
def test_candidates_of_another_form_are_passed_over(candidate: str) -> None:
    assert sdpfrag.read(f"a=candidate:{candidate}\r\n") == sdpfrag.Fragment(None, (), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("candidate:1", "Line 1"),
        ("a=ice-ufrag:pIur\r\n", "ICE credentials"),
        ("a=ice-pwd:/gFblzpzNUr7iH1mmny/sZ2J\r\n", "ICE credentials"),
        ("a=ice-ufrag:p\r\na=ice-pwd:/gFblzpzNUr7iH1mmny/sZ2J\r\n", "ICE credentials"),
        ("a=candidate:x\r\n" * 101, "more than 100 candidates"),
        ("a=x\r\n" * 301, "more than 300 lines"),
        ("a=" + "x" * 16_384, "longer than 16384"),
        ("m=audio\r\n", "media line"),
    ],
)
def test_what_is_no_fragment_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(SdpError, match=said):
        sdpfrag.read(text)


@given(st.data())
def test_any_text_is_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.text() | st.text().map("a=candidate:".__add__) | mutated(TRICKLED))
    try:
        found = sdpfrag.read(text)
    except SdpError:
        return
    assert len(found.candidates) <= sdpfrag.MOST_CANDIDATES
