"""The answer: its text, and what Chromium, Firefox and aiortc's parser make of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Page

from media_sfu import answer as answers
from media_sfu import offer as offers
from media_sfu import sdp, sdpfrag
from media_sfu.answer import Advertised
from media_sfu.sdp import SdpError
from tests.media_sfu.chromium import voice_page
from tests.media_sfu.firefox import Firefox, driven_firefox
from tests.media_sfu.mutation import mutated
from tests.media_sfu.recorded import OFFERS, TCP, UDP, UDP6, local, offer_text

# Makes an offer with the transceivers named; `red`: codec preferences with RED first. Leaves the connection as `pc`.
OFFER = """
const [sections, red, policy] = args;
const pc = window.pc = new RTCPeerConnection({bundlePolicy: policy || "max-bundle"});
window.streams = [];
pc.ontrack = event => window.streams.push([event.transceiver.mid, ...event.streams.map(stream => stream.id)]);
const stream = await navigator.mediaDevices.getUserMedia({audio: true});
for (const [kind, direction] of sections) {
  if (kind === "application") { pc.createDataChannel("x"); continue; }
  const speaks = kind === "audio" && direction.startsWith("send");
  const what = speaks ? stream.getAudioTracks()[0] : kind;
  const transceiver = pc.addTransceiver(what, {direction, streams: speaks ? [stream] : []});
  if (red && kind === "audio") {
    const codecs = RTCRtpReceiver.getCapabilities("audio").codecs;
    const named = name => codecs.filter(codec => codec.mimeType === name);
    transceiver.setCodecPreferences([...named("audio/red"), ...named("audio/opus")]);
  }
}
await pc.setLocalDescription();
return pc.localDescription.sdp;
"""
ACCEPT = """
const pc = window.pc;
await pc.setRemoteDescription({type: "answer", sdp: args[0]});
const said = (parameters) => ({
  codecs: (parameters.codecs || []).map(codec => [codec.payloadType, codec.mimeType,
    (codec.sdpFmtpLine || "").split(";").sort().join(";")]),
  extensions: (parameters.headerExtensions || []).map(extension => [extension.id, extension.uri]),
});
return {
  state: pc.signalingState,
  streams: window.streams,
  sections: pc.getTransceivers().map(transceiver => ({
    mid: transceiver.mid,
    direction: transceiver.currentDirection,
    sends: said(transceiver.sender.getParameters()),
    receives: said(transceiver.receiver.getParameters ? transceiver.receiver.getParameters() : {}),
  })),
};
"""
RESTART = """
const pc = window.pc;
pc.restartIce();
await pc.setLocalDescription();
return pc.localDescription.sdp;
"""
LISTEN = [("audio", "recvonly")] * 3
TALK = [("audio", "sendonly"), *LISTEN]
OTHERS = [("video", "recvonly"), ("application", "")]
LEVEL = [1, offers.AUDIO_LEVEL]
OPUS = [111, "audio/opus", "minptime=10;usedtx=1;useinbandfec=1"]
RED = [63, "audio/red", "111/111"]


def sections(text: str) -> list[str]:
    return re.split(r"(?m)^(?=m=)", text)[1:]


def answer_to(text: str) -> str:
    return answers.build(offers.read(text), local())


# The text


@pytest.mark.parametrize("name", OFFERS)
def test_each_section_of_a_real_offer_is_answered_in_its_place(name: str) -> None:
    offer, text = offers.read(offer_text(name)), answer_to(offer_text(name))

    read = sdp.parse(text)
    assert [(media.kind, media.protocol) for media in read.media] == [
        (media.kind, media.protocol) for media in offer.media
    ]
    assert read.session.all("group") == (f"BUNDLE {' '.join(offer.mids)}",)
    assert "ice-lite" in read.session
    for offered, media in zip(offer.media, read.media, strict=True):
        assert media.attributes.first("mid") == offered.mid
        assert media.port == (8082 if offered.accepted else 0)
        assert ("rtcp-mux" in media.attributes) == offered.accepted
        assert "bundle-only" not in media.attributes, "RFC 9143 section 6: only in offers"
        assert ("inactive" in media.attributes) != offered.accepted
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")


@pytest.mark.parametrize("name", OFFERS)
def test_nothing_is_taken_that_would_be_written_for_each_listener(name: str) -> None:
    text = answer_to(offer_text(name))
    extensions = re.findall(r"a=extmap:(.*)\r\n", text)
    assert extensions == [f"1 {offers.AUDIO_LEVEL}"], "on the uplink alone"
    assert not re.search("transport-cc|abs-send-time|sdes:mid|telephone-event|CN/|PCMU|G722", text)


def test_a_section_for_speaking_and_one_for_listening_in_full() -> None:
    ours = local()
    fragment, password = ours.credentials.fragment, ours.credentials.password
    transport = (f"a=ice-ufrag:{fragment}", f"a=ice-pwd:{password}", "a=setup:passive")
    text = answers.build(offers.read(offer_text("chromium_156")), ours)
    uplink, slot, *_ = sections(text)

    assert text[: text.index("m=")].split("\r\n") == [
        "v=0",
        "o=- 7000000000 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2 3",
        "a=msid-semantic: WMS *",
        "a=ice-lite",
        "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {':'.join(f'{number:02X}' for number in range(32))}",
        "",
    ]

    assert uplink.split("\r\n") == [
        "m=audio 8082 UDP/TLS/RTP/SAVPF 63 111",
        "c=IN IP4 192.0.2.10",
        "a=mid:0",
        "a=recvonly",
        *transport,
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtcp-xr:rcvr-rtt=all",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
        "a=rtcp-fb:111 nack",
        "a=candidate:1 1 udp 2130706431 192.0.2.10 8082 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::10 8082 typ host",
        "a=candidate:3 1 tcp 1520434687 192.0.2.10 8083 typ host tcptype passive",
        "a=end-of-candidates",
        "",
    ]
    assert slot.split("\r\n") == [
        "m=audio 8082 UDP/TLS/RTP/SAVPF 63 111",
        "c=IN IP4 192.0.2.10",
        "a=mid:1",
        "a=sendonly",
        *transport,
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtcp-xr:rcvr-rtt=all",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
        "a=rtcp-fb:111 nack",
        "a=msid:slot-0 slot-0",
        "a=ssrc:1001 cname:dojo-voice",
        "",
    ]


def test_refused_sections_have_port_0_and_their_mid() -> None:
    *_, video, data = sections(answer_to(offer_text("firefox_153_video_data")))
    assert video.startswith("m=video 0 UDP/TLS/RTP/SAVPF 120 124 ")
    assert video.split("\r\n")[1:] == ["c=IN IP4 0.0.0.0", "a=mid:4", "a=inactive", ""]
    assert data.split("\r\n") == [
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:5",
        "a=inactive",
        "",
    ]


def test_sending_both_ways_in_one_section() -> None:
    first, *_, surplus = sections(answer_to(offer_text("chromium_156_sendrecv")))
    assert "a=sendrecv\r\n" in first
    assert "a=ssrc:1001 cname:dojo-voice\r\n" in first
    assert surplus.startswith("m=audio 0 ")


def test_the_first_section_taken_has_the_candidates() -> None:
    text = offer_text("chromium_156")
    first, *_ = sections(text)
    text = text.replace(first, first.replace("opus/48000/2", "isac/16000"))
    read = sdp.parse(answer_to(text))
    assert read.session.all("group") == ("BUNDLE 1 2 3",)
    assert ["ice-ufrag" in media.attributes for media in read.media] == [False, True, True, True]
    assert ["candidate" in media.attributes for media in read.media] == [False, True, False, False]


def test_addresses_of_one_host_share_a_foundation_and_all_priorities_differ() -> None:
    second = Advertised("192.0.2.10", 9082)
    lines = list(answers.candidates((UDP6, UDP, second, TCP, Advertised("2001:db8::10", 8083, "tcp"))))
    fields = [line.removeprefix("a=candidate:").split() for line in lines[:-1]]
    assert [each[0] for each in fields] == ["1", "2", "2", "3", "4"]
    priorities = [int(each[3]) for each in fields]
    assert priorities == sorted(set(priorities), reverse=True)
    assert max(priorities[3:]) < 2**31
    assert lines[-1] == "a=end-of-candidates"


def test_the_media_line_says_the_default_candidate() -> None:
    offer = offers.read(offer_text("chromium_156"))
    (six, *_) = sections(answers.build(offer, local(addresses=(UDP6, UDP))))
    assert six.startswith("m=audio 8082 UDP/TLS/RTP/SAVPF 63 111\r\nc=IN IP6 2001:db8::10\r\n")
    (tcp, *_) = sections(answers.build(offer, local(addresses=(TCP,))))
    assert tcp.startswith("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\nc=IN IP4 0.0.0.0\r\n")


@pytest.mark.parametrize(("host", "port"), [("sfu.example", 8082), ("192.0.2.1", 0), ("fe80::1%eth0", 8082), ("", 1)])
def test_only_addresses_are_advertised(host: str, port: int) -> None:
    with pytest.raises(ValueError, match=r"address"):
        Advertised(host, port)


def test_each_slot_has_an_ssrc_of_its_own() -> None:
    with pytest.raises(ValueError, match="3 slots need an SSRC each; there are 2"):
        answers.build(offers.read(offer_text("chromium_156")), local(ssrcs=(1, 2)))
    with pytest.raises(ValueError, match="same SSRC"):
        local(ssrcs=(1, 1, 2))


@given(name=st.sampled_from(list(OFFERS)), data=st.data())
def test_what_can_be_read_can_be_answered(name: str, data: st.DataObject) -> None:
    try:
        offer = offers.read(data.draw(mutated(offer_text(name))))
    except SdpError:
        return
    read = sdp.parse(answers.build(offer, local()))
    assert [media.kind for media in read.media] == [media.kind for media in offer.media]
    assert [media.attributes.first("mid") for media in read.media] == [media.mid for media in offer.media]


# What others make of it


@pytest.mark.parametrize("name", OFFERS)
def test_aiortc_reads_it(name: str) -> None:
    offer, ours = offers.read(offer_text(name)), local()

    read = SessionDescription.parse(answers.build(offer, ours))

    assert [str(group) for group in read.group] == [f"BUNDLE {' '.join(offer.mids)}"]
    for offered, media in zip(offer.media, read.media, strict=True):
        assert media.rtp.muxId == offered.mid
        assert media.port == (8082 if offered.accepted else 0)
        if not offered.accepted:
            continue
        kinds = {codec.payloadType: codec.mimeType for codec in media.rtp.codecs}
        assert kinds == {offered.opus: "audio/opus"} | ({offered.red: "audio/red"} if offered.red else {})
        assert [each.ssrc for each in media.ssrc] == ([1001 + offered.slot] if offered.slot is not None else [])
    tagged = next(media for media in read.media if media.rtp.muxId == offer.mids[0])
    assert tagged.ice is not None
    assert tagged.ice.usernameFragment == ours.credentials.fragment
    assert tagged.ice.iceLite
    assert tagged.dtls is not None
    assert tagged.dtls.role == "server"
    assert [(each.ip, each.protocol, each.port) for each in tagged.ice_candidates] == [
        ("192.0.2.10", "udp", 8082),
        ("2001:db8::10", "udp", 8082),
        ("192.0.2.10", "tcp", 8083),
    ]
    assert tagged.ice_candidates_complete


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with voice_page() as page:
        yield page


async def in_chromium(page: Page, body: str, *arguments: object) -> Any:
    return await page.evaluate(f"async args => {{ {body} }}", list(arguments))


@pytest.mark.parametrize("red", [False, True], ids=["opus first", "red first"])
async def test_chromium_takes_it_and_sends_red(page: Page, red: bool) -> None:
    text = await in_chromium(page, OFFER, TALK, red)

    found = await in_chromium(page, ACCEPT, answer_to(text))

    assert found["state"] == "stable"
    assert [section["direction"] for section in found["sections"]] == ["sendonly", *["recvonly"] * 3]
    uplink, *slots = found["sections"]
    assert uplink["sends"]["codecs"] == [RED, OPUS], "what stands first is sent, whatever the offer said first"
    assert uplink["sends"]["extensions"] == [LEVEL]
    assert all({63, 111} <= {codec[0] for codec in slot["receives"]["codecs"]} for slot in slots)
    assert not any(slot["receives"]["extensions"] for slot in slots)
    assert found["streams"] == [[str(number + 1), f"slot-{number}"] for number in range(3)]


async def test_chromium_does_both_in_one_section(page: Page) -> None:
    text = await in_chromium(page, OFFER, [("audio", "sendrecv"), *LISTEN], False)

    found = await in_chromium(page, ACCEPT, answer_to(text))

    assert [section["direction"] for section in found["sections"]][:3] == ["sendrecv", "recvonly", "recvonly"]
    assert found["streams"] == [["0", "slot-0"], ["1", "slot-1"], ["2", "slot-2"]]


@pytest.mark.parametrize(
    ("wanted", "policy"),
    [
        pytest.param(TALK + OTHERS, "max-bundle", id="after"),
        # With max-bundle Chromium has its only transport on the first section, and fails if that is refused.
        pytest.param(OTHERS + TALK, "balanced", id="before"),
        pytest.param([("audio", "inactive"), *LISTEN, *OTHERS], "max-bundle", id="none to speak in"),
    ],
)
async def test_chromium_bears_that_video_and_data_are_refused(
    page: Page, wanted: list[tuple[str, str]], policy: str
) -> None:
    text = await in_chromium(page, OFFER, wanted, False, policy)

    found = await in_chromium(page, ACCEPT, answer_to(text))

    assert found["state"] == "stable"
    directions = [section["direction"] for section in found["sections"]]
    assert directions == [direction for kind, direction in wanted if kind == "audio"], (
        "what was refused has left the list"
    )
    assert len(found["streams"]) == 3


async def test_chromium_only_listens(page: Page) -> None:
    text = await in_chromium(page, OFFER, LISTEN[:1], False)
    found = await in_chromium(page, ACCEPT, answer_to(text))
    assert [section["direction"] for section in found["sections"]] == ["recvonly"]


async def test_chromium_restarts_ice_with_a_fragment(page: Page) -> None:
    ours = local()
    text = await in_chromium(page, OFFER, TALK, False)
    before = offers.read(text)
    answer = answers.build(before, ours)
    await in_chromium(page, ACCEPT, answer)

    text = await in_chromium(page, RESTART)
    credentials = offers.read(text).credentials
    lines = (
        f"a=ice-ufrag:{credentials.fragment}",
        f"a=ice-pwd:{credentials.password}",
        "m=audio 9 RTP/AVP 0",
        "a=mid:0",
    )
    fragment = sdpfrag.read("\r\n".join(lines))
    assert fragment.restarts(before.credentials)
    renewed = local().credentials
    said = sdpfrag.answer(renewed, ours.addresses, before.mids)
    for name in ("ice-ufrag", "ice-pwd"):
        line = re.compile(rf"a={name}:.*")
        found = line.search(said)
        assert found is not None
        answer = line.sub(found[0], answer)

    found = await in_chromium(page, ACCEPT, answer)
    assert found["state"] == "stable"


@pytest.fixture
async def firefox(tmp_path: Path) -> AsyncIterator[Firefox]:
    async with driven_firefox(tmp_path) as firefox:
        yield firefox


@pytest.mark.parametrize("wanted", [TALK + OTHERS, [("video", "recvonly"), *TALK]], ids=["after", "before"])
async def test_firefox_takes_it(firefox: Firefox, wanted: list[tuple[str, str]]) -> None:
    text = await firefox.run(OFFER, wanted, False)
    offer = offers.read(text)
    uplink = offer.uplink
    assert uplink is not None
    assert uplink.red is None

    found = await firefox.run(ACCEPT, answer_to(text))

    assert found["state"] == "stable"
    audio = [section for section in found["sections"] if section["mid"] in offer.mids]
    assert [section["direction"] for section in audio] == ["sendonly", *["recvonly"] * 3]
    assert [codec[:2] for codec in audio[0]["sends"]["codecs"]] == [[uplink.opus, "audio/opus"]]
    assert found["streams"] == [[slot.mid, f"slot-{slot.slot}"] for slot in offer.slots]
