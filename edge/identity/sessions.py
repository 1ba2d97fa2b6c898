"""Sessions: opened when somebody signs in, carried on by refresh tokens, ended for good.

All times are the database's, so that processes whose clocks differ agree. Whoever ends a session rings the bell after
the commit; which tokens that makes void is written by triggers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from edge.identity import refresh_token
from edge.identity.memberships import Member, active_member
from edge.identity.refresh_token import ABSOLUTE, Known, Verdict
from kernel.http.operation import Origin

PER_USER: Final = 50
"""Sessions of one user. Past it the oldest ends: somebody signs in by a script and never signs out."""
NETWORK_CHARACTERS: Final = 64


class Kind(StrEnum):
    """Where a session keeps its refresh token: an app by itself, a browser in a cookie no script reads."""

    NATIVE = "NATIVE"
    BROWSER = "BROWSER"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session with a refresh token that was just given out, good for `idle_seconds`."""

    member: Member
    session: UUID
    kind: Kind
    refresh_token: str = field(repr=False)
    idle_seconds: int
    displaced: int = 0
    """Sessions that ended to make room."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of a refresh token that was sent."""

    verdict: Verdict
    kind: Kind | None = None
    session: UUID | None = None
    user: UUID | None = None
    opened: Opened | None = None
    """Set if the verdict is FRESH or REPEATED."""


async def open_session(db: Any, member: Member, kind: Kind, origin: Origin) -> Opened:
    """A new session, in a transaction that speaks for the tenant and holds the lock of the member's user."""
    displaced = await db.fetch(
        "UPDATE sessions SET revoked_at = clock_timestamp() WHERE tenant_id = $1 AND session_id IN ("
        " SELECT session_id FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL"
        " AND expires_at > now() ORDER BY created_at DESC, session_id OFFSET $3) RETURNING session_id",
        member.tenant,
        member.user,
        PER_USER - 1,
    )
    session = uuid4()
    row = await db.fetchrow(
        "INSERT INTO sessions (tenant_id, session_id, user_id, kind, user_agent, network, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval) RETURNING created_at, expires_at",
        member.tenant,
        session,
        member.user,
        kind.value,
        origin.user_agent or None,
        origin.network[:NETWORK_CHARACTERS],
        ABSOLUTE,
    )
    token = refresh_token.generate()
    ends = await _keep(db, member.tenant, session, token, now=row["created_at"], session_ends=row["expires_at"])
    idle = int((ends - row["created_at"]).total_seconds())
    return Opened(member, session, kind, token, idle, len(displaced))


async def rotate(db: Any, tenant: UUID, session: UUID, token: str, kind: Kind) -> Rotation:
    """Use a refresh token that came the way `kind` says, in a transaction that speaks for its tenant. One that was
    copied ends its session here: commit also then."""
    hash_ = refresh_token.hash_of(token)
    # The lock of the session makes the same token, sent twice at once, one after the other.
    row = await db.fetchrow(
        "SELECT user_id, kind, expires_at, revoked_at FROM sessions"
        " WHERE tenant_id = $1 AND session_id = $2 FOR NO KEY UPDATE",
        tenant,
        session,
    )
    sent = await db.fetchrow(
        "SELECT salt, expires_at, used_at, clock_timestamp() AS now FROM refresh_tokens"
        " WHERE tenant_id = $1 AND token_hash = $2",
        tenant,
        hash_,
    )
    if row is None or sent is None or row["kind"] != kind.value:
        return Rotation(Verdict.OVER)
    now: datetime = sent["now"]
    verdict = refresh_token.judge(Known(sent["expires_at"], sent["used_at"], row["expires_at"], row["revoked_at"]), now)
    if verdict is Verdict.REUSED:
        await db.execute(
            "UPDATE sessions SET revoked_at = clock_timestamp() WHERE tenant_id = $1 AND session_id = $2",
            tenant,
            session,
        )
        return Rotation(verdict, kind, session, row["user_id"])
    member = await active_member(db, tenant, row["user_id"])
    if verdict is Verdict.OVER or member is None:
        return Rotation(Verdict.OVER)
    following = refresh_token.successor(token, sent["salt"])
    if verdict is Verdict.FRESH:
        await db.execute(
            "UPDATE refresh_tokens SET used_at = $3 WHERE tenant_id = $1 AND token_hash = $2", tenant, hash_, now
        )
        await db.execute(
            "UPDATE sessions SET last_used_at = $3 WHERE tenant_id = $1 AND session_id = $2", tenant, session, now
        )
        ends = await _keep(db, tenant, session, following, now=now, session_ends=row["expires_at"])
    else:
        ends = refresh_token.end_of(sent["used_at"], row["expires_at"])
    opened = Opened(member, session, kind, following, int((ends - now).total_seconds()))
    return Rotation(verdict, kind, session, member.user, opened)


async def end_session(db: Any, tenant: UUID, user: UUID, session: UUID) -> bool:
    """End one of the user's sessions; whether there is such a one. Ending it twice changes nothing."""
    found = await db.fetchval(
        "UPDATE sessions SET revoked_at = coalesce(revoked_at, clock_timestamp())"
        " WHERE tenant_id = $1 AND session_id = $2 AND user_id = $3 RETURNING true",
        tenant,
        session,
        user,
    )
    return found is True


async def end_sessions(db: Any, tenant: UUID, user: UUID, *, but: UUID | None = None) -> None:
    """End all of the user's sessions, or all `but` one."""
    # Its lock first: signing in takes it too, so no session slips in meanwhile.
    await db.execute("SELECT FROM users WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE", tenant, user)
    await db.execute(
        "UPDATE sessions SET revoked_at = clock_timestamp()"
        " WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND session_id IS DISTINCT FROM $3",
        tenant,
        user,
        but,
    )


async def _keep(db: Any, tenant: UUID, session: UUID, token: str, *, now: datetime, session_ends: datetime) -> datetime:
    ends = refresh_token.end_of(now, session_ends)
    await db.execute(
        "INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, salt, expires_at) VALUES ($1, $2, $3, $4, $5)",
        tenant,
        refresh_token.hash_of(token),
        session,
        refresh_token.new_salt(),
        ends,
    )
    return ends
