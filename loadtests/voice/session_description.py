"""Offers and answers of the synthetic client: RFC 8866, 8839, 8843, 9143, and what the browsers put into them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

OPUS: Final = 111
RED: Final = 63
LEVEL_ID: Final = 1
"""Of the RFC 6464 extension in our offers."""
_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"


class DescriptionRefused(ValueError):
    """The other side's SDP lacks what a connection needs."""


@dataclass(frozen=True, slots=True)
class Own:
    """What we say of ourselves. `fingerprint` is sha-256 in hexadecimal with colons."""

    fragment: str
    password: str
    fingerprint: str
    ssrc: int
    setup: str = "actpass"

    @classmethod
    def new(cls, fingerprint: str, *, setup: str = "actpass") -> Own:
        return cls(
            secrets.token_hex(4), secrets.token_hex(12), fingerprint, secrets.randbelow(2**32 - 1) + 1, setup
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line of the other side: its direction seen from there, and the codecs it took."""

    mid: str
    port: int
    direction: str
    formats: tuple[int, ...]
    ssrcs: tuple[int, ...] = ()
    level_id: int = 0
    """0 if audio level was not taken."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The other side's description, as far as we use it."""

    fragment: str
    password: str
    fingerprint: str
    setup: str
    addresses: tuple[tuple[str, int], ...]
    """UDP host candidates over IPv4, best first."""
    sections: tuple[Section, ...]
    formats: dict[int, str] = field(default_factory=dict)


def offer(own: Own, *, sends: bool, slots: int, red: bool = True, nack: bool = True) -> str:
    """One section that sends if `sends`, then `slots` that receive, in one bundle."""
    directions = [*(["sendonly"] if sends else []), *["recvonly"] * slots]
    lines = _session(own, [str(mid) for mid in range(len(directions))])
    for mid, direction in enumerate(directions):
        lines += _section(own, str(mid), direction, red=red, nack=nack)
    return "\r\n".join([*lines, ""])


def answer(own: Own, remote: Remote) -> str:
    """To an offer that sends audio to us: every section is received, all of them Opus alone."""
    lines = _session(own, [section.mid for section in remote.sections])
    for section in remote.sections:
        direction = "recvonly" if section.direction in {"sendonly", "sendrecv"} else "inactive"
        lines += _section(own, section.mid, direction, red=False, nack=False)
    return "\r\n".join([*lines, ""])


def _session(own: Own, mids: list[str]) -> list[str]:
    return [
        "v=0", f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}", "a=msid-semantic: WMS",
    ]  # fmt: skip


def _section(own: Own, mid: str, direction: str, *, red: bool, nack: bool) -> list[str]:
    lines = [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {f'{OPUS} {RED}' if red else OPUS}", "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0", f"a=ice-ufrag:{own.fragment}", f"a=ice-pwd:{own.password}",
        "a=ice-options:trickle", f"a=fingerprint:sha-256 {own.fingerprint}", f"a=setup:{own.setup}", f"a=mid:{mid}",
        f"a=extmap:{LEVEL_ID} {_LEVEL_URI}", f"a={direction}", "a=rtcp-mux", "a=rtcp-rsize",
        f"a=rtpmap:{OPUS} opus/48000/2", f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
    ]  # fmt: skip
    if nack:
        lines += [f"a=rtcp-fb:{OPUS} nack"]
    if red:
        lines += [f"a=rtpmap:{RED} red/48000/2", f"a=fmtp:{RED} {OPUS}/{OPUS}"]
    if direction == "sendonly":
        lines += [f"a=ssrc:{own.ssrc} cname:load", f"a=ssrc:{own.ssrc} msid:load microphone"]
    return lines


def read(text: str) -> Remote:
    """Raises `DescriptionRefused`."""
    session: dict[str, str] = {}
    media: list[tuple[str, list[tuple[str, str]]]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            media.append((line[2:], []))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            if media:
                media[-1][1].append((name, value))
            else:
                session[name] = value
    found = dict(session)
    addresses: list[tuple[int, tuple[str, int]]] = []
    formats: dict[int, str] = {}
    for _, attributes in media:
        for name, value in attributes:
            if name == "candidate":
                addresses += _candidate(value)
            elif name == "rtpmap":
                number, _, codec = value.partition(" ")
                formats[int(number)] = codec
            else:
                found.setdefault(name, value)
    try:
        return Remote(
            found["ice-ufrag"], found["ice-pwd"], found["fingerprint"].partition(" ")[2].upper(), found["setup"],
            tuple(dict.fromkeys(address for _, address in sorted(addresses, reverse=True))),
            tuple(_read_section(head, attributes) for head, attributes in media), formats,
        )  # fmt: skip
    except KeyError as error:
        raise DescriptionRefused(f"the other side's description has no {error}") from error


def _candidate(value: str) -> list[tuple[int, tuple[str, int]]]:
    _, component, transport, priority, host, port, *_ = value.split(" ")
    if component != "1" or transport.lower() != "udp" or ":" in host or not host[0].isdigit():
        return []
    return [(int(priority), (host, int(port)))]


def _read_section(head: str, attributes: list[tuple[str, str]]) -> Section:
    _, port, _, *formats = head.split(" ")
    names = [name for name, _ in attributes]
    direction = next((name for name in names if name in {"sendrecv", "sendonly", "recvonly", "inactive"}), "sendrecv")
    levels = [value for name, value in attributes if name == "extmap" and value.endswith(_LEVEL_URI)]
    return Section(
        mid=next((value for name, value in attributes if name == "mid"), ""),
        port=int(port),
        direction=direction,
        formats=tuple(int(number) for number in formats if number.isdigit()),
        ssrcs=tuple(dict.fromkeys(int(v.split(" ")[0]) for name, v in attributes if name == "ssrc")),
        level_id=int(levels[0].split(" ")[0].split("/")[0]) if levels else 0,
    )
