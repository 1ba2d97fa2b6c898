"""What is mailed to prove that a mailbox is one's own: 256 random bits, used once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from kernel.http.problem import Problem

HOURS_TO_RESET: Final = 1
HOURS_TO_VERIFY: Final = 48


class Purpose(StrEnum):
    """What a token is good for."""

    VERIFY = "VERIFY"
    RESET = "RESET"


_LIFE: Final = {
    Purpose.VERIFY: timedelta(hours=HOURS_TO_VERIFY),
    Purpose.RESET: timedelta(hours=HOURS_TO_RESET),
}


def hash_of(token: str) -> bytes:
    """As the database holds it."""
    return hashlib.sha256(token.encode()).digest()


async def issue(db: Any, purpose: Purpose, identity: UUID | None) -> str:
    """A token for the person `db` speaks for. None for nobody: the same work, for a token that is good for nothing."""
    token = secrets.token_urlsafe(32)
    await db.execute(
        "INSERT INTO email_tokens (token_hash, identity_id, purpose, expires_at)"
        " VALUES ($1, $2, $3, now() + $4::interval)",
        hash_of(token),
        identity,
        purpose.value,
        _LIFE[purpose],
    )
    return token


async def holder(db: Any, purpose: Purpose, token: str) -> UUID | None:
    """Whose token this is, used or not."""
    identity: UUID | None = await db.fetchval("SELECT identity_by_email_token($1, $2)", hash_of(token), purpose.value)
    return identity


async def good(db: Any, purpose: Purpose, token: str) -> bool:
    """Whether the person `db` speaks for can use the token now."""
    found = await db.fetchval(
        "SELECT true FROM email_tokens"
        " WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()",
        hash_of(token),
        purpose.value,
    )
    return found is True


async def use(db: Any, purpose: Purpose, identity: UUID, token: str) -> bool:
    """Use a token; whether it was good. All others of the same purpose end with it: they lie in the same mailbox."""
    used = await db.fetchval(
        "UPDATE email_tokens SET used_at = now()"
        " WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now() RETURNING true",
        hash_of(token),
        purpose.value,
    )
    if used is not True:
        return False
    await db.execute(
        "UPDATE email_tokens SET used_at = now() WHERE identity_id = $1 AND purpose = $2 AND used_at IS NULL",
        identity,
        purpose.value,
    )
    return True


def invalid_token() -> Problem:
    """400 for a token that is not good, for whatever reason."""
    return Problem(400, "invalid_token", "this link is not good any more; ask for another")
