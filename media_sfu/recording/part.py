"""What one process records of a room without an interruption is a part: a folder of its own below the recording's."""

from __future__ import annotations

import secrets

from media_sfu.recording.sidecar import wall_clock


def part_of(prefix: str, began: float) -> str:
    """The prefix of a part that begins now (Unix seconds). They sort by time, and none is ever used twice: a recording
    goes on in a new one when all had left the room, or its process was lost, or it was already spread over several."""
    return f"{prefix}/{wall_clock(began):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
