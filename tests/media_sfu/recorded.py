"""Offers of real clients, in `offers/`.

chromium_156*, firefox_153*: recorded from those browsers, headless (one sending transceiver and three receiving ones;
`_sendrecv`: the first does both; `_red_first`: codec preferences RED, Opus; `_video_data`: with a camera and a data
channel, gathered to the end). safari_17, libwebrtc_android, libwebrtc_ios: written after offers that people published
in bug reports and samples of those clients, with keys of our own; the last is of the time before RED.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from media_sfu.answer import Advertised, Local
from media_sfu.ice import Credentials

OFFERS: Final = {path.stem: path for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))}
UDP: Final = Advertised("192.0.2.10", 8082)
UDP6: Final = Advertised("2001:db8::10", 8082)
TCP: Final = Advertised("192.0.2.10", 8083, "tcp")


def offer_text(name: str) -> str:
    """As on the wire, with CRLF; in the repository the lines end as those of any text."""
    return OFFERS[name].read_text(encoding="utf-8").replace("\n", "\r\n")


def changed(name: str, old: str, new: str) -> str:
    """An offer with all of one text replaced, which must be there."""
    text = offer_text(name)
    assert old in text
    return text.replace(old, new)


def local(
    *,
    addresses: tuple[Advertised, ...] = (UDP, UDP6, TCP),
    ssrcs: tuple[int, ...] = (1001, 1002, 1003),
    version: int = 1,
) -> Local:
    """Our side of a connection, with fresh credentials."""
    return Local(
        credentials=Credentials.new(),
        fingerprint=bytes(range(32)),
        addresses=addresses,
        ssrcs=ssrcs,
        cname="dojo-voice",
        session=7_000_000_000,
        version=version,
    )
