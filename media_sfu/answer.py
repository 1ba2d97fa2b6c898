"""The answer to an offer, sans-I/O. RFC 8829 section 5.3, 9143 (bundle), 8839 and 6544 (candidates), 8842 (setup).

The server is ICE-lite and passive in DTLS, says all its addresses at once and wants none of the client's. The
candidates are said in the first section taken, the answer's tagged one, the rest of the transport for each section:
RFC 9143 7.1.3 asks for it in the tagged one alone, but the page of Firefox 153 crashes at a section it finds no
fingerprint for, and every browser's own answers repeat it. What is refused has port 0, keeps its mid and is in no
group. Payload types and extension ids are the offer's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal

from media_sfu.ice import Credentials
from media_sfu.offer import AUDIO_LEVEL, Direction, Offer, OfferedMedia

# usedtx=1: a muted Chromium otherwise sends 50 packets/s instead of 5. useinbandfec=1: for who has no RED.
OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1;usedtx=1"
# RFC 8445 5.1.2.1: type preference 126 is a host's. One TCP must be below every UDP: RFC 6544 4.2 leaves the number
# to us, and Chromium's is 90.
_TYPE_PREFERENCE: Final = {"udp": 126, "tcp": 90}
_PASSIVE: Final = 4 << 13  # RFC 6544 4.2: direction preference of a passive host candidate
_MOST_ADDRESSES: Final = 16  # each costs every client a check


@dataclass(frozen=True, slots=True)
class Advertised:
    """An address clients reach this server at. `host`: an IPv4 or IPv6 address as text."""

    host: str
    port: int
    protocol: Literal["udp", "tcp"] = "udp"

    def __post_init__(self) -> None:
        ip_address(self.host)  # a name would be looked up by each client, and the answer must hold no other text
        if "%" in self.host or not 0 < self.port < 65_536:
            raise ValueError(f"not an address to advertise: {self.host} port {self.port}")


@dataclass(frozen=True, slots=True)
class Local:
    """Our side of one connection.

    `fingerprint`: 32 bytes, SHA-256 of our certificate. `addresses`: the preferred first. `ssrcs`: of the receive
    slots, by their number. `cname`: RFC 3550's name of this source, one for all slots (its alphabet: RFC 7022).
    `session`: a number below 2**63, the same for all answers of a connection; `version` counts them.
    """

    credentials: Credentials
    fingerprint: bytes
    addresses: tuple[Advertised, ...]
    ssrcs: tuple[int, ...]
    cname: str
    session: int
    version: int = 1

    def __post_init__(self) -> None:
        if len(self.fingerprint) != 32:
            raise ValueError("a SHA-256 fingerprint has 32 bytes")
        if not 0 < len(self.addresses) <= _MOST_ADDRESSES:
            raise ValueError(f"between 1 and {_MOST_ADDRESSES} addresses are advertised, not {len(self.addresses)}")
        if len(set(self.ssrcs)) < len(self.ssrcs):
            raise ValueError("two slots have the same SSRC")


def build(offer: Offer, local: Local) -> str:
    """The answer as text with CRLF. `local.ssrcs` must have one for each of the offer's slots: else ValueError."""
    if len(local.ssrcs) < len(offer.slots):
        raise ValueError(f"{len(offer.slots)} slots need an SSRC each; there are {len(local.ssrcs)}")
    mids = offer.mids
    lines = [
        "v=0",
        f"o=- {local.session} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}",
        "a=msid-semantic: WMS *",
        "a=ice-lite",
        "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {local.fingerprint.hex(':').upper()}",
    ]
    for media in offer.media:
        if not media.accepted:
            lines += _refused(media)
            continue
        lines += _accepted(media, local)
        if media.mid == mids[0]:
            lines += candidates(local.addresses)
    return "\r\n".join(lines) + "\r\n"


def candidates(addresses: Sequence[Advertised]) -> Iterator[str]:
    """Host candidates and their end. RFC 8445 5.1.2.1: priorities differ, in the order given. One foundation each:
    they differ in address or protocol (5.1.1.3); two ports of one address share theirs."""
    foundations: dict[tuple[str, str], int] = {}
    for index, address in enumerate(addresses):
        foundation = foundations.setdefault((address.host, address.protocol), len(foundations) + 1)
        preference = 65_535 - index if address.protocol == "udp" else _PASSIVE + (1 << 13) - 1 - index
        priority = (_TYPE_PREFERENCE[address.protocol] << 24) + (preference << 8) + 255
        kind = "typ host" if address.protocol == "udp" else "typ host tcptype passive"
        yield f"a=candidate:{foundation} 1 {address.protocol} {priority} {address.host} {address.port} {kind}"
    yield "a=end-of-candidates"


def _refused(media: OfferedMedia) -> Iterator[str]:
    yield f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}"
    yield "c=IN IP4 0.0.0.0"
    if media.mid is not None:
        yield f"a=mid:{media.mid}"
    yield "a=inactive"


def _accepted(media: OfferedMedia, local: Local) -> Iterator[str]:
    opus, red = media.opus, media.red
    # The default candidate: RFC 8839 4.2.1.2. Only TCP: as RFC 8840 4.1.1 says for one that has none yet.
    default = next((address for address in local.addresses if address.protocol == "udp"), None)
    host, port = (default.host, default.port) if default else ("0.0.0.0", 9)  # noqa: S104 - text, nothing is bound
    # A client sends what stands first.
    yield (
        f"m={media.kind} {port} {media.protocol} {opus}"
        if red is None
        else (f"m={media.kind} {port} {media.protocol} {red} {opus}")
    )
    yield f"c=IN IP{6 if ':' in host else 4} {host}"
    yield f"a=mid:{media.mid}"
    yield f"a={_direction(media).value}"
    yield f"a=ice-ufrag:{local.credentials.fragment}"
    yield f"a=ice-pwd:{local.credentials.password}"
    yield "a=setup:passive"
    yield "a=rtcp-mux"
    if media.rsize:
        yield "a=rtcp-rsize"
    if media.rrtr:
        yield "a=rtcp-xr:rcvr-rtt=all"
    if media.level_id is not None:
        yield f"a=extmap:{media.level_id} {AUDIO_LEVEL}"
    if red is not None:
        yield f"a=rtpmap:{red} red/48000/2"
        yield f"a=fmtp:{red} {opus}/{opus}"
    yield f"a=rtpmap:{opus} opus/48000/2"
    yield f"a=fmtp:{opus} {OPUS_PARAMETERS}"
    if media.nack:
        yield f"a=rtcp-fb:{opus} nack"
    if media.slot is not None:
        name = f"slot-{media.slot}"
        # A stream of its own for each slot: tracks of one stream are played in step with each other.
        yield f"a=msid:{name} {name}"
        yield f"a=ssrc:{local.ssrcs[media.slot]} cname:{local.cname}"


def _direction(media: OfferedMedia) -> Direction:
    if media.uplink:
        return Direction.SENDRECV if media.slot is not None else Direction.RECVONLY
    return Direction.SENDONLY if media.slot is not None else Direction.INACTIVE
