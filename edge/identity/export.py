"""What a tenant knows about one person, for that person: one document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from edge.identity.audit_trail import AuditEntry, entry_of
from kernel import audit
from kernel.database import speak_for_identity
from kernel.http.fields import Instant
from kernel.http.operation import SIGNED_IN, Answer, Call, Operation

Struct = TypeVar("Struct", bound=msgspec.Struct)

AUDIT_ENTRIES: Final = 10_000
"""Newest entries of the audit log in an export; `auditComplete` tells whether there are more."""


class ExportedLogin(msgspec.Struct, frozen=True, rename="camel"):
    """The login, which may serve other companies too."""

    email: str
    email_verified_at: Instant | None
    created_at: Instant


class ExportedProfile(msgspec.Struct, frozen=True, rename="camel"):
    tenant_id: UUID
    company_name: str
    user_id: UUID
    email: str | None
    full_name: str
    role: str
    status: str
    created_at: Instant
    updated_at: Instant
    last_login_at: Instant | None


class ExportedSession(msgspec.Struct, frozen=True, rename="camel"):
    session_id: UUID
    kind: str
    user_agent: str | None
    network: str | None
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    revoked_at: Instant | None


class ExportedExternalIdentity(msgspec.Struct, frozen=True, rename="camel"):
    """Who the person is at their company's identity provider."""

    issuer: str
    subject: str
    created_at: Instant


class ExportedInvitation(msgspec.Struct, frozen=True, rename="camel"):
    invitation_id: UUID
    email: str
    role: str
    created_at: Instant
    expires_at: Instant
    accepted_at: Instant | None
    revoked_at: Instant | None


class PersonExport(msgspec.Struct, frozen=True, rename="camel"):
    """Everything the company's account holds about the caller, except secrets. Documents in rooms are the company's."""

    exported_at: Instant
    profile: ExportedProfile
    login: ExportedLogin | None
    external_identities: list[ExportedExternalIdentity]
    sessions: list[ExportedSession]
    invitations_sent: list[ExportedInvitation]
    invitations_received: list[ExportedInvitation]
    audit: list[AuditEntry]
    """What they did, and what was done to them."""
    audit_complete: bool
    elsewhere: dict[str, Any]
    """What other parts of the service know of them, by the name of the part: `dojos`."""


Tell: TypeAlias = Callable[[Any, UUID, UUID, str | None], Awaitable[msgspec.Struct]]
"""What somebody else knows of a person, in the same transaction: the connection, tenant, user and e-mail."""

_EXTERNAL: Final = (
    "SELECT issuer, subject, created_at FROM external_identities"
    " WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at"
)
_SESSIONS: Final = "SELECT * FROM sessions WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at"
_INVITATION: Final = (
    "SELECT invitation_id, email, role, created_at, expires_at, accepted_at, revoked_at FROM invitations"
)
_AUDIT: Final = (
    "SELECT audit_id, at, actor_id, action, target_id, network, request_id, details FROM audit_log"
    " WHERE tenant_id = $1 AND (actor_id = $2 OR target_id = $2) ORDER BY at DESC, audit_id LIMIT $3"
)


class PersonalExport:
    """`GET /api/v1/users/me/export`."""

    def __init__(self, tell: Mapping[str, Tell]) -> None:
        """`tell` is asked for everybody who wants to know, by the name that it goes under in the answer."""
        self._tell = tell

    def operations(self) -> tuple[Operation, ...]:
        return (Operation("GET", "/api/v1/users/me/export", self.export_me, access=SIGNED_IN, tag="users", cost=10.0),)

    async def export_me(self, call: Call[None, None]) -> Answer[PersonExport]:
        """Everything the company's account holds about oneself, as one document."""
        tenant, user = call.caller.tenant, call.caller.user
        exported = await export_person(call.db, tenant, user, self._tell)
        await audit.note(call, "user.exported", user)
        return Answer(exported, {"Content-Disposition": 'attachment; filename="dojo-my-data.json"'})


async def export_person(db: Any, tenant: UUID, user: UUID, tell: Mapping[str, Tell]) -> PersonExport:
    """What is known about `user`, who must exist."""
    profile = await db.fetchrow(
        "SELECT u.*, t.name AS company_name FROM users u JOIN tenants t USING (tenant_id)"
        " WHERE u.tenant_id = $1 AND u.user_id = $2",
        tenant,
        user,
    )
    login = None
    if profile["identity_id"] is not None:
        await speak_for_identity(db, profile["identity_id"])
        login = await db.fetchrow("SELECT * FROM identities WHERE identity_id = $1", profile["identity_id"])
    external = await db.fetch(_EXTERNAL, tenant, user)
    sessions = await db.fetch(_SESSIONS, tenant, user)
    sent = await db.fetch(_INVITATION + " WHERE tenant_id = $1 AND invited_by = $2 ORDER BY created_at", tenant, user)
    received = await db.fetch(
        _INVITATION + " WHERE tenant_id = $1 AND email = $2 ORDER BY created_at", tenant, profile["email"]
    )
    entries = await db.fetch(_AUDIT, tenant, user, AUDIT_ENTRIES + 1)
    return PersonExport(
        exported_at=datetime.now(UTC),
        profile=told_of(profile, ExportedProfile),
        login=told_of(login, ExportedLogin) if login is not None else None,
        external_identities=[told_of(row, ExportedExternalIdentity) for row in external],
        sessions=[told_of(row, ExportedSession) for row in sessions],
        invitations_sent=[told_of(row, ExportedInvitation) for row in sent],
        invitations_received=[told_of(row, ExportedInvitation) for row in received],
        audit=[entry_of(row) for row in entries[:AUDIT_ENTRIES]],
        audit_complete=len(entries) <= AUDIT_ENTRIES,
        elsewhere={part: await told(db, tenant, user, profile["email"]) for part, told in tell.items()},
    )


def told_of(row: Any, type_: type[Struct]) -> Struct:
    """The columns of `row` that the struct names, and no other."""
    return type_(**{name: row[name] for name in type_.__struct_fields__})
