"""What of real clients' offers is taken, what is refused and with which text, and that nothing else ever comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu import offer as offers
from media_sfu.offer import Direction, Offer, OfferRefused
from media_sfu.sdp import SdpError
from tests.media_sfu.mutation import mutated
from tests.media_sfu.recorded import OFFERS, changed, offer_text

AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"


def roles(offer: Offer) -> list[str]:
    """Of each section what is taken, short: `up`, `slot 1`, `up+slot 0`, `kept` or `-`."""
    return [
        "+".join((["up"] if media.uplink else []) + ([f"slot {media.slot}"] if media.slot is not None else []))
        or ("kept" if media.accepted else "-")
        for media in offer.media
    ]


@pytest.mark.parametrize(
    ("name", "taken", "opus", "red"),
    [
        ("chromium_156", ["up", "slot 0", "slot 1", "slot 2"], 111, 63),
        ("chromium_156_red_first", ["up", "slot 0", "slot 1", "slot 2"], 111, 63),
        ("chromium_156_sendrecv", ["up+slot 0", "slot 1", "slot 2", "-"], 111, 63),
        ("chromium_156_video_data", ["up", "slot 0", "slot 1", "slot 2", "-", "-"], 111, 63),
        ("firefox_153", ["up", "slot 0", "slot 1", "slot 2"], 109, None),
        ("firefox_153_video_data", ["up", "slot 0", "slot 1", "slot 2", "-", "-"], 109, None),
        ("safari_17", ["up", "slot 0", "slot 1", "slot 2"], 111, 63),
        ("libwebrtc_android", ["up", "slot 0", "slot 1", "slot 2"], 111, 63),
        ("libwebrtc_ios", ["up+slot 0", "slot 1", "slot 2"], 111, None),
    ],
)
def test_real_offers(name: str, taken: list[str], opus: int, red: int | None) -> None:
    offer = offers.read(offer_text(name))

    assert roles(offer) == taken
    assert {(media.opus, media.red) for media in offer.media if media.accepted} == {(opus, red)}
    assert (offer.setup, offer.trickle) == ("actpass", True)
    assert len(offer.fingerprint) == 32
    assert offer.uplink is not None
    assert offer.uplink.level_id == 1
    assert len(offer.uplink.send_ssrcs) == 1
    assert [media.slot for media in offer.slots] == list(range(len(offer.slots)))
    assert all(media.level_id is None and not media.send_ssrcs for media in offer.media if not media.uplink)
    assert offer.mids == tuple(media.mid for media in offer.media if media.accepted)


def test_the_transport_is_read_from_the_tagged_section() -> None:
    chromium, firefox = offers.read(offer_text("chromium_156_red_first")), offers.read(offer_text("firefox_153"))

    assert chromium.credentials.fragment == "pIur"
    assert chromium.credentials.password == "/gFblzpzNUr7iH1mmny/sZ2J"
    assert chromium.fingerprint.hex(":").upper().startswith("8D:00:49:6C:7F")
    assert firefox.fingerprint.hex(":").upper().startswith("14:2B:00:B8:C3"), "Firefox says it for the whole session"
    assert chromium.credentials.password not in repr(chromium)


def test_what_chromium_says_of_rtcp_is_kept() -> None:
    offer = offers.read(offer_text("chromium_156"))
    assert all(media.rsize and media.rrtr and media.nack for media in offer.media)
    assert not any(media.rsize or media.rrtr for media in offers.read(offer_text("firefox_153")).media)


def test_there_are_never_more_slots_than_asked_for() -> None:
    text = offer_text("chromium_156")
    assert roles(offers.read(text, most_slots=2)) == ["up", "slot 0", "slot 1", "-"]
    assert roles(offers.read(text, most_slots=8)) == ["up", "slot 0", "slot 1", "slot 2"]


def test_of_two_that_send_the_second_only_listens() -> None:
    text = changed("chromium_156", "a=recvonly", "a=sendrecv")
    assert roles(offers.read(text)) == ["up", "slot 0", "slot 1", "slot 2"]
    text = changed("chromium_156", "a=recvonly", "a=sendonly")
    assert roles(offers.read(text)) == ["up", "-", "-", "-"]


def test_who_only_listens_has_no_uplink() -> None:
    offer = offers.read(changed("chromium_156", "a=sendonly", "a=inactive"))
    assert offer.uplink is None
    assert roles(offer) == ["kept", "slot 0", "slot 1", "slot 2"]


def test_who_does_neither_is_refused() -> None:
    text = changed("chromium_156", "a=sendonly", "a=inactive").replace("a=recvonly", "a=inactive")
    with pytest.raises(OfferRefused, match="inactive"):
        offers.read(text)


def test_a_section_is_taken_by_its_group_port_and_protocol() -> None:
    assert roles(offers.read(changed("chromium_156", "BUNDLE 0 1 2 3", "BUNDLE 0 1 3"))) == [
        "up",
        "slot 0",
        "-",
        "slot 1",
    ]
    assert roles(offers.read(changed("firefox_153", "a=bundle-only\r\n", ""))) == ["up", "-", "-", "-"]
    text = offer_text("chromium_156_red_first").replace(AUDIO, AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 1)
    assert roles(offers.read(text)) == ["-", "slot 0", "slot 1", "slot 2"]


def test_active_is_as_good_as_actpass() -> None:
    assert offers.read(changed("chromium_156", "a=setup:actpass", "a=setup:active")).setup == "active"


def test_direction_of_the_session_and_by_default() -> None:
    text = changed("chromium_156", "a=sendonly\r\n", "")
    assert offers.read(text).media[0].direction is Direction.SENDRECV
    assert offers.read(text.replace("t=0 0\r\n", "t=0 0\r\na=recvonly\r\n")).uplink is None


@pytest.mark.parametrize(
    ("old", "new", "red"),
    [
        ("a=fmtp:63 111/111", "a=fmtp:63 111/111/111", 63),
        ("a=fmtp:63 111/111", "a=fmtp:63 111/0", None),
        ("a=fmtp:63 111/111\r\n", "", None),
        ("red/48000/2", "red/8000", None),
        ("red/48000/2", "RED/48000/2", 63),
        ("a=rtpmap:63 ", "a=rtpmap:72 ", None),
    ],
)
def test_red_is_taken_if_its_blocks_are_the_same_opus(old: str, new: str, red: int | None) -> None:
    assert {media.red for media in offers.read(changed("chromium_156", old, new)).media} == {red}


def test_red_goes_down_only_to_who_calls_opus_111_as_libwebrtc_does() -> None:
    text = changed("chromium_156_red_first", "111", "112")
    offer = offers.read(text)
    assert [media.red for media in offer.media] == [63, None, None, None], "up it may have any type"


@pytest.mark.parametrize(
    ("extmap", "expected"),
    [
        ("a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on", 7),
        ("a=extmap:7/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level", 7),
        ("a=extmap:7/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
        ("a=extmap:200 urn:ietf:params:rtp-hdrext:ssrc-audio-level", 200),
        ("a=extmap:15 urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
        ("a=extmap:0 urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
        ("a=extmap:4096 urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
        ("a=extmap:x urn:ietf:params:rtp-hdrext:csrc-audio-level", None),
    ],
)
def test_the_level_has_the_id_the_client_gave_it(extmap: str, expected: int | None) -> None:
    text = changed("chromium_156", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", extmap)
    uplink = offers.read(text).uplink
    assert uplink is not None
    assert uplink.level_id == expected


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("chromium_156", "a=setup:actpass", "a=setup:passive", "a=setup:actpass or active"),
        ("chromium_156", "a=setup:actpass", "a=setup:holdconn", "a=setup:actpass or active"),
        ("chromium_156", "a=setup:actpass\r\n", "", "a=setup:actpass or active"),
        ("chromium_156", "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", "ice-lite"),
        ("chromium_156", "a=fingerprint:sha-256", "a=fingerprint:sha-1", "sha-256 fingerprint"),
        ("chromium_156", "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 AB:", "sha-256 fingerprint"),
        ("firefox_153", "a=fingerprint:sha-256", "a=x-fingerprint:sha-256", "sha-256 fingerprint"),
        ("chromium_156", "a=rtcp-mux\r\n", "", "a=rtcp-mux"),
        ("chromium_156", "m=audio", "m=video", "no audio section"),
        ("chromium_156", "opus/48000/2", "opus/48000/1", "Opus"),
        ("chromium_156", "a=rtpmap:111 ", "a=rtpmap:112 ", "Opus"),
        ("chromium_156", "a=group:BUNDLE 0 1 2 3\r\n", "", "BUNDLE group"),
        ("chromium_156", "a=group:BUNDLE 0 1 2 3\r\n", "a=group:\r\na=group:BUNDLE\r\n", "BUNDLE group"),
        ("chromium_156_video_data", "BUNDLE 0 1 2 3 4 5", "BUNDLE 4 5", "BUNDLE group"),
        ("chromium_156", "BUNDLE 0 1 2 3", "BUNDLE 0 1 2 3 4", "doesn't have"),
        ("chromium_156", "BUNDLE 0 1 2 3", "BUNDLE 0 1 1 3", "twice"),
        ("chromium_156", "a=mid:1", "a=mid:0", "differ"),
        ("chromium_156", "a=mid:1", "a=mid:<1>", "differ"),
        ("chromium_156", "UDP/TLS/RTP/SAVPF", "RTP/AVP", "can be used"),
        ("chromium_156", "m=audio 9 ", "m=audio 0 ", "can be used"),
        ("chromium_156_red_first", "a=ice-pwd:/gFblzpzNUr7iH1mmny/sZ2J\r\n", "", "ICE credentials"),
        ("chromium_156_red_first", "a=ice-pwd:/gFblzpzNUr7iH1mmny/sZ2J\r\n", "a=ice-pwd:short\r\n", "ICE credentials"),
        ("chromium_156_red_first", "a=ice-ufrag:pIur", "a=ice-ufrag:p:ur", "ICE credentials"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_reason(name: str, old: str, new: str, said: str) -> None:
    with pytest.raises(SdpError, match=said) as refused:
        offers.read(changed(name, old, new))
    assert isinstance(refused.value, OfferRefused) or said in ("doesn't have", "twice", "differ")


@given(name=st.sampled_from(list(OFFERS)), data=st.data())
def test_changed_offers_are_read_or_refused(name: str, data: st.DataObject) -> None:
    text = data.draw(mutated(offer_text(name)))
    try:
        offer = offers.read(text)
    except SdpError:
        return
    assert any(media.accepted for media in offer.media)
    assert set(offer.mids) <= set(offer.bundle)
    assert len(offer.slots) <= offers.MOST_SLOTS


@given(st.text().map("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=".__add__))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(SdpError):
        offers.read(text)
