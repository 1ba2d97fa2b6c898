"""Refresh tokens: how they look, which comes after which, and what is to be done with one that was sent.

Each is good for one refresh. Its successor is computed from it and from a salt in its row, so that a client whose
reply was lost can ask again and gets the very same one, though the database holds hashes only. One that comes later
than that has been copied, whoever of the two holders sends it: its session ends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

PREFIX: Final = "rt_"
RETRY: Final = timedelta(seconds=30)
"""After its first use a token still gives its successor, for as long as clients repeat a request."""
IDLE: Final = timedelta(days=30)
"""A session that is not refreshed for this long is over."""
ABSOLUTE: Final = timedelta(days=90)
"""However often a session is refreshed, it ends then."""
SALT_BYTES: Final = 16

_SHAPE: Final = re.compile(r"rt_[A-Za-z0-9_-]{43}")


class Verdict(Enum):
    """What a token that was sent is worth."""

    FRESH = auto()
    """First use."""
    REPEATED = auto()
    """Used a moment ago: the same answer again."""
    REUSED = auto()
    """Used before by somebody else: the session must end."""
    OVER = auto()
    """It, or its session, has ended."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a token and its session. All times are the database's."""

    expires_at: datetime
    used_at: datetime | None
    session_expires_at: datetime
    session_revoked_at: datetime | None


def judge(known: Known, now: datetime) -> Verdict:
    """What to do with a token at `now`."""
    if known.session_revoked_at is not None or known.session_expires_at <= now:
        return Verdict.OVER
    if known.used_at is not None:
        return Verdict.REPEATED if now - known.used_at <= RETRY else Verdict.REUSED
    return Verdict.FRESH if now < known.expires_at else Verdict.OVER


def end_of(now: datetime, session_expires_at: datetime) -> datetime:
    """Until when a token given out at `now` can be used."""
    return min(now + IDLE, session_expires_at)


def generate() -> str:
    """The first token of a session: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def new_salt() -> bytes:
    """What a token's successor is computed with."""
    return secrets.token_bytes(SALT_BYTES)


def successor(token: str, salt: bytes) -> str:
    """The token after `token`. Who has only the database cannot compute it, and no token tells its predecessor."""
    digest = hmac.digest(token.encode(), salt, "sha256")
    return PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hash_of(token: str) -> bytes | None:
    """As the database holds it; None for what cannot be a refresh token."""
    return hashlib.sha256(token.encode()).digest() if _SHAPE.fullmatch(token) else None
