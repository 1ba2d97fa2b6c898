"""What a client's offer asks for, and what of it is taken. Sans-I/O. RFC 8829, 8839, 8843/9143, 8842, 8122, 6464, 2198.

Taken are audio sections alone: the first that may send is the uplink, each that may receive is a slot, at most
`most_slots`. Of a section only Opus, RED and the audio level are taken. The mid extension, transport-wide congestion
control and absolute send time are not: they would have to be written into each packet for each listener.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from media_sfu.frame import OPUS_PT
from media_sfu.ice import Credentials
from media_sfu.sdp import TOKEN, Attributes, Description, Media, SdpError, decimal, parse

AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MOST_SLOTS: Final = 3
_MOST_SSRCS: Final = 4  # per section; kept only for telling, so a list without end is cut

_FRAGMENT: Final = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)  # RFC 8839 section 5.4
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}", re.ASCII)
_SHA_256: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}", re.ASCII)
# RFC 5761 section 4: with RTP and RTCP on one transport these payload types would look like RTCP.
_LOOKS_LIKE_RTCP: Final = range(64, 96)
_LAST_EXTENSION: Final = 255  # RFC 8285: two-byte headers; 15 is reserved in one-byte ones
_RESERVED_EXTENSION: Final = 15


class OfferRefused(SdpError):
    """A well-formed offer that cannot be served. The text says what to change, for a person."""


class Direction(StrEnum):
    """Of a section, as its sender sees it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One section of an offer and what of it is taken.

    `uplink`: the client speaks here. `slot`: the number of the receive slot, from 0, or None. One that was offered
    inactive is neither, and kept. `opus`, `red`: payload types; without `opus` the section is refused: port 0.
    `red` only where it can be used. `level_id`: of the RFC 6464 extension towards us. `nack`: generic NACK may be used
    both ways. `rsize`, `rrtr`: the client offered reduced-size RTCP, and to send receiver reference times (RFC 3611).
    `send_ssrcs`: those it announced for what it sends.
    """

    mid: str | None
    kind: str
    protocol: str
    formats: tuple[str, ...]
    direction: Direction
    uplink: bool = False
    slot: int | None = None
    opus: int | None = None
    red: int | None = None
    level_id: int | None = None
    nack: bool = False
    rsize: bool = False
    rrtr: bool = False
    send_ssrcs: tuple[int, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.opus is not None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client offers. `bundle`: the mids of its group in order. `fingerprint`: 32 bytes, SHA-256 of its
    certificate. `setup`: its role in DTLS, both of which let us be the server. `trickle`: it may send candidates later.
    """

    bundle: tuple[str, ...]
    media: tuple[OfferedMedia, ...]
    credentials: Credentials
    fingerprint: bytes
    setup: Literal["actpass", "active"]
    trickle: bool

    @property
    def uplink(self) -> OfferedMedia | None:
        """The section the client speaks in; None for one who only listens."""
        return next((media for media in self.media if media.uplink), None)

    @property
    def mids(self) -> tuple[str, ...]:
        """Of the sections taken, in the order of the group: the first speaks for the transport of all."""
        taken = {media.mid for media in self.media if media.accepted}
        return tuple(mid for mid in self.bundle if mid in taken)

    @property
    def slots(self) -> tuple[OfferedMedia, ...]:
        """The receive slots; the index is the number of the slot."""
        return tuple(media for media in self.media if media.slot is not None)


def read(text: str, most_slots: int = MOST_SLOTS) -> Offer:
    """Read an offer. Raises `SdpError` for what is no description, `OfferRefused` for what cannot be served."""
    return interpret(parse(text), most_slots)


def interpret(description: Description, most_slots: int = MOST_SLOTS) -> Offer:
    """What an offer that was parsed asks for. Raises as `read` does."""
    session = description.session
    if "ice-lite" in session:
        raise OfferRefused("The offer says ice-lite, and so does this server: one of the two must make the checks.")
    if not any(media.kind == "audio" for media in description.media):
        raise OfferRefused("The offer has no audio section: add an audio transceiver before creating the offer.")
    bundle = _bundle(description)
    tagged = _tagged(description, bundle)
    media = _choose(description, bundle, most_slots)
    if not any(section.uplink or section.slot is not None for section in media):
        raise OfferRefused(_why_nothing(description, bundle))
    return Offer(
        bundle=bundle,
        media=media,
        credentials=read_credentials(tagged, session),
        fingerprint=_fingerprint(tagged, session),
        setup=_setup(tagged, session),
        trickle="trickle" in (tagged.first("ice-options") or session.first("ice-options") or "").split(),
    )


def read_credentials(section: Attributes, session: Attributes) -> Credentials:
    """The ICE credentials of a section, or the session's. `OfferRefused` if there are none of RFC 8839's form."""
    fragment = section.first("ice-ufrag") or session.first("ice-ufrag") or ""
    password = section.first("ice-pwd") or session.first("ice-pwd") or ""
    if _FRAGMENT.fullmatch(fragment) is None or _PASSWORD.fullmatch(password) is None:
        raise OfferRefused("The ICE credentials (a=ice-ufrag, a=ice-pwd) are missing, or not of RFC 8839's form.")
    return Credentials(fragment, password)


def _bundle(description: Description) -> tuple[str, ...]:
    """The mids of the BUNDLE group, which must name sections of the offer."""
    mids = [mid for media in description.media if (mid := media.attributes.first("mid")) is not None]
    if any(TOKEN.fullmatch(mid) is None for mid in mids) or len(set(mids)) < len(mids):
        raise SdpError("The mids (a=mid) are not tokens that differ from each other.")
    for value in description.session.all("group"):
        semantics, *members = value.split() or [""]
        if semantics != "BUNDLE" or not members:
            continue
        if not set(members) <= set(mids) or len(set(members)) < len(members):
            raise SdpError("The BUNDLE group names sections that the offer doesn't have, or one of them twice.")
        return tuple(members)
    raise OfferRefused("The offer has no BUNDLE group (a=group:BUNDLE): everything goes over one transport here.")


def _tagged(description: Description, bundle: tuple[str, ...]) -> Attributes:
    """The section that speaks for the transport of all: the group's first (RFC 9143, 7.2), if it says anything."""
    of_mid = {media.attributes.first("mid"): media.attributes for media in description.media}
    members = [of_mid[mid] for mid in bundle]
    return next((attributes for attributes in members if "ice-ufrag" in attributes), members[0])


def _fingerprint(section: Attributes, session: Attributes) -> bytes:
    for value in section.all("fingerprint") or session.all("fingerprint"):
        name, _, digest = value.partition(" ")
        if name.lower() == "sha-256" and _SHA_256.fullmatch(digest):
            return bytes.fromhex(digest.replace(":", ""))
    raise OfferRefused("The offer has no sha-256 fingerprint of its certificate (a=fingerprint:sha-256 ...).")


def _setup(section: Attributes, session: Attributes) -> Literal["actpass", "active"]:
    match section.first("setup") or session.first("setup"):
        case "actpass":
            return "actpass"
        case "active":
            return "active"
    raise OfferRefused("The offer must say a=setup:actpass or active: this server is always the passive side of DTLS.")


def _choose(description: Description, bundle: tuple[str, ...], most_slots: int) -> tuple[OfferedMedia, ...]:
    chosen: list[OfferedMedia] = []
    uplink = False
    slots = 0
    for media in description.media:
        direction = _direction(media, description.session)
        opus = _opus(media)
        usable = opus is not None and _offered(media) and media.attributes.first("mid") in bundle
        if usable and "rtcp-mux" not in media.attributes:
            raise OfferRefused("An audio section has no a=rtcp-mux: RTP and RTCP share one transport here.")
        speaks = usable and direction.sends and not uplink
        listens = usable and direction.receives and slots < most_slots
        # What is inactive stays so. It would not do to refuse it: Chromium with max-bundle puts everything on the
        # transport of the group's first section from the start, and fails at an answer that refuses that section.
        idle = usable and direction is Direction.INACTIVE
        if opus is None or not (speaks or listens or idle):
            mid = media.attributes.first("mid")
            chosen.append(OfferedMedia(mid, media.kind, media.protocol, media.formats, direction))
            continue
        chosen.append(
            _taken(media, description.session, direction, opus, uplink=speaks, slot=slots if listens else None)
        )
        uplink |= speaks
        slots += listens
    return tuple(chosen)


def _taken(
    media: Media, session: Attributes, direction: Direction, opus: int, *, uplink: bool, slot: int | None
) -> OfferedMedia:
    attributes = media.attributes
    return OfferedMedia(
        mid=attributes.first("mid"),
        kind=media.kind,
        protocol=media.protocol,
        formats=media.formats,
        direction=direction,
        uplink=uplink,
        slot=slot,
        opus=opus,
        red=_red(media, opus) if slot is None or opus == OPUS_PT else None,
        level_id=_level_id(attributes, session) if uplink else None,
        # Not offered by any browser for Opus, but done: Chromium resends what it is asked for in any case, and asks as
        # soon as the answer says nack (25 NACKs for 26 lost packets; none without). Others ignore what they don't do.
        nack=True,
        rsize="rtcp-rsize" in attributes,
        rrtr=any(value.split("=")[0] == "rcvr-rtt" for line in attributes.all("rtcp-xr") for value in line.split()),
        send_ssrcs=_ssrcs(attributes) if uplink else (),
    )


def _offered(media: Media) -> bool:
    """Port 0 means refused, but for a bundle-only section, which has no transport of its own (RFC 9143, 6)."""
    secure_feedback = media.protocol.endswith("RTP/SAVPF")
    return media.kind == "audio" and secure_feedback and (media.port != 0 or "bundle-only" in media.attributes)


def _direction(media: Media, session: Attributes) -> Direction:
    for attributes in (media.attributes, session):
        for direction in Direction:
            if direction.value in attributes:
                return direction
    return Direction.SENDRECV


def _formats(media: Media) -> dict[int, str]:
    """Payload types that the media line lists, with their rtpmap in lower case."""
    listed = set(media.formats)
    found: dict[int, str] = {}
    for value in media.attributes.all("rtpmap"):
        name, _, encoding = value.partition(" ")
        number = decimal(name, 127)
        if number is not None and number not in _LOOKS_LIKE_RTCP and name in listed:
            found.setdefault(number, encoding.strip().lower())
    return found


def _opus(media: Media) -> int | None:
    return next((number for number, encoding in _formats(media).items() if encoding == "opus/48000/2"), None)


def _red(media: Media, opus: int) -> int | None:
    """RED is of use if its blocks are all of this Opus: RFC 2198 lists them as `111/111`."""
    blocks = dict(value.split(" ", 1) for value in media.attributes.all("fmtp") if " " in value)
    for number, encoding in _formats(media).items():
        said = blocks.get(str(number), "")
        if encoding == "red/48000/2" and set(said.strip().split("/")) == {str(opus)}:
            return number
    return None


def _level_id(attributes: Attributes, session: Attributes) -> int | None:
    """The id of RFC 6464's extension, unless the client only means to receive it."""
    for value in attributes.all("extmap") + session.all("extmap"):
        name, _, rest = value.partition(" ")
        number, _, direction = name.partition("/")
        if rest.split(" ")[0] == AUDIO_LEVEL and direction in ("", "sendrecv", "sendonly"):
            identifier = decimal(number, _LAST_EXTENSION)
            return identifier if identifier not in (0, _RESERVED_EXTENSION) else None
    return None


def _ssrcs(attributes: Attributes) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for value in attributes.all("ssrc"):
        number = decimal(value.partition(" ")[0], 2**32 - 1)
        if number is not None and len(found) < _MOST_SSRCS:
            found[number] = None
    return tuple(found)


def _why_nothing(description: Description, bundle: tuple[str, ...]) -> str:
    audio = [media for media in description.media if media.kind == "audio"]
    if all(_opus(media) is None for media in audio):
        return "No audio section of the offer has Opus (opus/48000/2), the only codec here."
    if not any(media.attributes.first("mid") in bundle for media in audio):
        return "No audio section is in the offer's BUNDLE group: everything goes over one transport here."
    return "No audio section of the offer can be used: each is inactive, refused (port 0) or not UDP/TLS/RTP/SAVPF."
