"""The grammar: what is read, the bounds, and that nothing but `SdpError` comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu import sdp
from media_sfu.sdp import SdpError
from tests.media_sfu.recorded import OFFERS, offer_text

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


@pytest.mark.parametrize("name", OFFERS)
def test_each_line_of_a_real_offer_is_read(name: str) -> None:
    text = offer_text(name)

    found = sdp.parse(text)

    attributes = [found.session, *(media.attributes for media in found.media)]
    assert sum(len(values) for each in attributes for values in each.values.values()) == text.count("\r\na=")
    assert [f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}" for media in found.media] == [
        line for line in text.split("\r\n") if line.startswith("m=")
    ]
    assert found == sdp.parse(text.replace("\r\n", "\n"))


def test_attributes_are_found_by_name_in_their_order() -> None:
    found = sdp.parse(
        HEAD + "a=ice-lite\r\na=group:BUNDLE 0\r\nm=audio 9 RTP/SAVPF 0 8\r\na=ssrc:1 a:b\r\na=ssrc:2 c\r\n"
    )

    assert "ice-lite" in found.session
    assert found.session.first("ice-lite") == ""
    assert found.session.first("mid") is None
    (media,) = found.media
    assert media.attributes.all("ssrc") == ("1 a:b", "2 c")
    assert media.attributes.first("group") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "v=0"),
        ("v=1\r\n", "v=0"),
        ("hello", "not of the form"),
        (HEAD + "a=x\rm=audio", "Line 5"),
        (HEAD + "a=\x00\r\n", "Line 5"),
        (HEAD + "\r\nm=audio 9 RTP/SAVPF 0\r\n", "Line 5"),
        (HEAD + "A=x\r\n", "Line 5"),
        (HEAD + "m=audio\r\n", "media line"),
        (HEAD + "m=audio 65536 RTP/SAVPF 0\r\n", "media line"),
        (HEAD + "m=audio ٩ RTP/SAVPF 0\r\n", "media line"),
        (HEAD + "m=audio 9 RTP/SAVPF a,b\r\n", "media line"),
        (HEAD + "m=<b> 9 RTP/SAVPF 0\r\n", "media line"),
        (HEAD + "m=audio 9 RTP/SAVPF " + " ".join(["0"] * 129), "media line"),
        (HEAD + "a=" + "x" * sdp.MOST_CHARACTERS, "longer than 65536"),
        (HEAD + "a=x\r\n" * 2_000, "more than 2000 lines"),
        (HEAD + "m=audio 9 RTP/SAVPF 0\r\n" * 65, "more than 64 media"),
    ],
)
def test_what_is_no_description_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(SdpError, match=said):
        sdp.parse(text)


def test_the_bounds_are_reached_but_not_passed() -> None:
    assert len(sdp.parse(HEAD + "m=audio 9 RTP/SAVPF 0\r\n" * 64).media) == 64
    assert len(sdp.parse(HEAD + "a=x\r\n" * 1_996).session.all("x")) == 1_996
    line = "a=" + "x" * (sdp.MOST_CHARACTERS - len(HEAD) - 2)
    assert len(sdp.parse(HEAD + line).session.values) == 1


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "²", "٣", "0x1", "9" * 5_000, "256"])
def test_what_is_no_number_in_range_is_none(text: str) -> None:
    assert sdp.decimal(text, 255) is None


@given(st.text() | st.text(alphabet="vmab=: 0\r\n/", max_size=200).map(HEAD.__add__))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = sdp.parse(text)
    except SdpError:
        return
    assert text.startswith("v=0")
    assert len(found.media) <= sdp.MOST_MEDIA
