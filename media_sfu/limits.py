"""What one voice process takes, and from whom how much."""

from __future__ import annotations

from typing import Annotated

import msgspec


class VoiceLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beyond these a newcomer is refused, or a packet is dropped and counted."""

    peers: Annotated[int, msgspec.Meta(ge=1)] = 2_000
    """Connections of one process. 1,000 listeners with three full slots fill a core."""
    peers_per_room: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    pending_per_user: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Connections of one user that have not finished DTLS."""
    slots: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3
    """How many others are heard at once, at most."""
    packets_per_second: Annotated[float, msgspec.Meta(gt=0)] = 200.0
    """From one peer. Opus sends 50; 200 leave room for 10 ms packets, RTCP and what was lost and sent again."""
    packets_burst: Annotated[float, msgspec.Meta(gt=0)] = 200.0
    """A phone that was out of reach for some seconds sends what it kept."""
    bytes_per_second: Annotated[float, msgspec.Meta(gt=0)] = 32_000.0
    """From one peer: 256 kbit/s. Speech with RED takes some 80."""
    bytes_burst: Annotated[float, msgspec.Meta(gt=0)] = 64_000.0
    handshake_seconds: Annotated[float, msgspec.Meta(gt=0)] = 15.0
    """From the offer to the end of DTLS."""
    silent_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """A peer that no authentic word came from for so long is gone. Browsers check every 2.5 to 5 s."""
    packet_bytes: Annotated[int, msgspec.Meta(ge=256, le=1_500)] = 1_200
    """Of one RTP packet. Opus has 1,275 at most; speech with RED some 200."""
