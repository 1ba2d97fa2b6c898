"""Sessions over HTTP: refresh, sign out, see where one is signed in, tickets for sockets."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from edge.identity import cookies, refresh_token
from edge.identity.grant import Grant, Granting, SocketTicket, invalid_refresh_token
from edge.identity.memberships import users_of
from edge.identity.refresh_token import IDLE, Verdict
from edge.identity.sessions import Kind, end_session, end_sessions, rotate
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import scope, speak_for_identity, speak_for_tenant
from kernel.http.fields import Instant, Secret
from kernel.http.operation import ANYBODY, SIGNED_IN, Answer, Call, Caller, Operation, PublicCall
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import not_found, unauthenticated
from kernel.http.router import ACQUIRE_SECONDS
from kernel.tokens.authority import Authority

_OPEN = (
    " FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()"
    " AND last_used_at > now() - $3::interval"
)
"""Sessions that can still be refreshed."""


class RefreshRequest(Unshown, frozen=True, kw_only=True):
    """A browser sends none: its token is in the cookie."""

    refresh_token: Secret | None = None


class LogoutRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`everywhere`: on every device, in every company."""

    everywhere: bool = False


class Session(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where one is signed in. `current` is the session that asks."""

    session_id: UUID
    client: Literal["native", "browser"]
    user_agent: str | None
    network: str | None
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    current: bool


class SessionRoutes:
    """The routes of sessions that are open."""

    def __init__(self, pool: Any, granting: Granting, authority: Authority) -> None:
        self._pool = pool
        self._granting = granting
        self._authority = authority

    def operations(self) -> list[Operation]:
        """Its routes."""
        auth = "/api/v1/auth"
        refused = {"invalid_refresh_token": 401, "origin_not_allowed": 403, "no_signing_key": 503}
        unsigned = {"no_signing_key": 503}
        return [
            Operation("POST", f"{auth}/refresh", self.refresh, access=ANYBODY, tag="auth", problems=refused),
            Operation("POST", f"{auth}/logout", self.logout, access=SIGNED_IN, tag="auth", status=204),
            Operation(
                "POST",
                f"{auth}/tickets",
                self.create_socket_ticket,
                access=SIGNED_IN,
                tag="auth",
                status=201,
                problems=unsigned,
            ),
            Operation("GET", f"{auth}/sessions", self.list_sessions, access=SIGNED_IN, tag="auth"),
            Operation(
                "DELETE",
                f"{auth}/sessions/{{sessionId}}",
                self.end_one_session,
                access=SIGNED_IN,
                tag="auth",
                status=204,
                problems={"not_found": 404},
            ),
        ]

    async def refresh(self, call: PublicCall[RefreshRequest, None]) -> Answer[Grant]:
        """Exchange a refresh token for the next one and an access token.

        Each is used once. Sent again within 30 seconds it gets the same successor, so a lost answer signs nobody out;
        sent later, it ends the session.
        """
        origin = call.origin
        token, kind = call.body.refresh_token, Kind.NATIVE
        if token is None:
            token, kind = cookies.given(origin), Kind.BROWSER
            if token is not None:
                cookies.check_origin(origin)
        hash_ = refresh_token.hash_of(token) if token is not None else None
        if token is None or hash_ is None:
            raise invalid_refresh_token(origin)
        self._granting.check()
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            found = await db.fetchrow("SELECT tenant_id, session_id FROM session_by_refresh_token($1)", hash_)
            if found is None:
                raise invalid_refresh_token(origin)
            tenant: UUID = found["tenant_id"]
            await speak_for_tenant(db, tenant)
            rotation = await rotate(db, tenant, found["session_id"], token, kind)
            if rotation.verdict is Verdict.REUSED:
                await audit.append(
                    db,
                    tenant=tenant,
                    actor=None,
                    action="session.refresh_reused",
                    target=rotation.session,
                    origin=origin,
                    details={"userId": str(rotation.user)},
                )
        if rotation.verdict is Verdict.REUSED:
            await self._authority.ring()
        if rotation.opened is None:
            raise invalid_refresh_token(origin)
        return self._granting.answer(rotation.opened, origin)

    async def logout(self, call: Call[LogoutRequest, None]) -> Answer[None]:
        """Sign out of this session, or everywhere."""
        caller, db = call.caller, call.db
        if call.body.everywhere:
            await self._end_everywhere(db, caller)
        await end_session(db, caller.tenant, caller.user, caller.session)
        await audit.note(call, "session.ended", caller.session, {"everywhere": call.body.everywhere})
        call.after_commit(self._authority.ring)
        return Answer(None, cookies.clearing(call.origin))

    async def _end_everywhere(self, db: Any, caller: Caller) -> None:
        identity = await db.fetchval(
            "SELECT identity_id FROM users WHERE tenant_id = $1 AND user_id = $2", caller.tenant, caller.user
        )
        if identity is None:  # somebody from an outside provider is in this company only
            await end_sessions(db, caller.tenant, caller.user)
            return
        # The person's row before their users and sessions: everybody locks in this order.
        await speak_for_identity(db, identity)
        await db.execute("SELECT FROM identities WHERE identity_id = $1 FOR NO KEY UPDATE", identity)
        async for tenant, user in users_of(db, identity):
            await end_sessions(db, tenant, user)
        await speak_for_tenant(db, caller.tenant)

    async def create_socket_ticket(self, call: Call[None, None]) -> SocketTicket:
        """A ticket that opens one socket.

        For browsers, which can set no header on a WebSocket: connect with `?ticket=` within 30 seconds.
        """
        # This process may not have heard yet that the session has ended, and the live node have: a ticket would be
        # refused there, where nobody can tell that one has to sign in.
        ended = await call.db.fetchval(
            "SELECT revoked_at IS NOT NULL FROM sessions WHERE tenant_id = $1 AND session_id = $2",
            call.caller.tenant,
            call.caller.session,
        )
        if ended:
            raise unauthenticated("invalid_token", "the access token is not taken: its session has ended")
        return self._granting.socket_ticket(call.caller)

    async def list_sessions(self, call: Call[None, PageQuery]) -> Page[Session]:
        """Where one is signed in, the session used last first."""
        query, given = call.query, (call.caller.tenant, call.caller.user, IDLE)
        total = await call.db.fetchval("SELECT count(*)" + _OPEN, *given)
        rows = await call.db.fetch(
            "SELECT session_id, kind, user_agent, network, created_at, last_used_at, expires_at"
            f"{_OPEN} ORDER BY last_used_at {query.sort_order}, session_id LIMIT $4 OFFSET $5",
            *given,
            query.page_size,
            query.offset,
        )
        items = [
            Session(
                session_id=row["session_id"],
                client="browser" if row["kind"] == Kind.BROWSER else "native",
                user_agent=row["user_agent"],
                network=row["network"],
                created_at=row["created_at"],
                last_used_at=row["last_used_at"],
                expires_at=row["expires_at"],
                current=row["session_id"] == call.caller.session,
            )
            for row in rows
        ]
        return page_of(items, query, total)

    async def end_one_session(self, call: Call[None, None]) -> None:
        """Sign out of one of one's own sessions."""
        caller, session = call.caller, call.ids["sessionId"]
        if not await end_session(call.db, caller.tenant, caller.user, session):
            raise not_found()
        await audit.note(call, "session.ended", session)
        call.after_commit(self._authority.ring)
