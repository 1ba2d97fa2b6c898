"""`application/trickle-ice-sdpfrag`, sans-I/O: candidates that come later, and the restart of ICE. RFC 8840, 9725."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from media_sfu.answer import Advertised, candidates
from media_sfu.ice import Credentials
from media_sfu.offer import read_credentials
from media_sfu.sdp import Attributes, SdpError, decimal, lines, sections

CONTENT_TYPE: Final = "application/trickle-ice-sdpfrag"
MOST_CHARACTERS: Final = 16_384
MOST_LINES: Final = 300
MOST_CANDIDATES: Final = 100

# RFC 8839 5.1: foundation, component, transport, priority, address (also a name: mDNS), port, type, extensions.
_CANDIDATE: Final = re.compile(
    r"([A-Za-z0-9+/]{1,32}) ([0-9]{1,3}) (udp|tcp) ([0-9]{1,10}) ([A-Za-z0-9.:-]{1,253}) ([0-9]{1,5})"
    r" typ (host|srflx|prflx|relay)((?: \S+ \S+)*)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a client may be reached. An ICE-lite agent sends nothing there; kept for telling. `host` may be a name."""

    protocol: str
    host: str
    port: int
    kind: str
    priority: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """`credentials`: of the generation the fragment belongs to, if it says so. `end`: no more candidates will come."""

    credentials: Credentials | None
    candidates: tuple[Candidate, ...]
    end: bool

    def restarts(self, current: Credentials) -> bool:
        """True if it asks for a restart of ICE: it bears other credentials than the client's current ones (RFC 9725
        4.3: a fragment that only trickles bears the current ones)."""
        return self.credentials is not None and self.credentials != current


def read(text: str) -> Fragment:
    """Read a fragment. Raises `SdpError`. Candidates of another form than RFC 8839's are passed over, as it asks."""
    description = sections(lines(text, MOST_CHARACTERS, MOST_LINES))
    groups = [description.session, *(media.attributes for media in description.media)]
    found = [value for attributes in groups for value in attributes.all("candidate")]
    if len(found) > MOST_CANDIDATES:
        raise SdpError(f"The fragment has more than {MOST_CANDIDATES} candidates.")
    return Fragment(
        credentials=_credentials(groups),
        candidates=tuple(candidate for value in found if (candidate := _candidate(value)) is not None),
        end=any("end-of-candidates" in attributes for attributes in groups),
    )


def answer(credentials: Credentials, addresses: Sequence[Advertised], mids: Sequence[str]) -> str:
    """The answer to a restart, as text with CRLF: our credentials of the new generation and our candidates again.
    `mids`: of the sections taken, the tagged one first (`Offer.mids`)."""
    rows = (
        "a=ice-lite",
        "a=ice-options:trickle",
        f"a=group:BUNDLE {' '.join(mids)}",
        "m=audio 9 RTP/AVP 0",  # RFC 8840 section 9: it only stands before the mid
        f"a=mid:{mids[0]}",
        f"a=ice-ufrag:{credentials.fragment}",
        f"a=ice-pwd:{credentials.password}",
        *candidates(addresses),
    )
    return "\r\n".join(rows) + "\r\n"


def _credentials(groups: list[Attributes]) -> Credentials | None:
    session = groups[0]
    said = next((attributes for attributes in groups if "ice-ufrag" in attributes or "ice-pwd" in attributes), None)
    return None if said is None else read_credentials(said, session)


def _candidate(value: str) -> Candidate | None:
    matched = _CANDIDATE.fullmatch(value)
    if matched is None:
        return None
    port, priority = decimal(matched[6], 65_535), decimal(matched[4], 2**32 - 1)
    if port is None or priority is None:
        return None
    return Candidate(matched[3].lower(), matched[5], port, matched[7].lower(), priority)
