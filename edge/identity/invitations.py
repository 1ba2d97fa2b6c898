"""Invitations: how somebody becomes a member of a company that exists.

An invitation is a random token, mailed to one address and good for that address only, once, for a week. Whether that
address has an account anywhere is not looked at, so nothing can tell.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.identity import outbox, quotas
from edge.identity.credentials import email_of, invalid_email
from edge.identity.mail import messages
from edge.identity.mail.port import MailRefused
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.buckets import Bucket, Buckets, Draw
from kernel.database import speak_for_identity, speak_for_tenant
from kernel.http.fields import Email, Instant, Secret
from kernel.http.operation import ADMINS, SIGNED_IN, Call, Operation, Origin, Role
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found, too_many
from kernel.secrets import MasterKeys

VALID: Final = timedelta(days=7)
TOKEN_BYTES: Final = 32
_HOUR: Final = 3600.0
PER_ADDRESS: Final = Bucket(5, 5 / _HOUR)
"""Mails to one address from one company: an invitation that is sent again, not a nuisance."""
PER_TENANT: Final = Bucket(500, 100 / _HOUR)
"""A company that comes with everybody at once, but no mailing list."""

Status = Literal["PENDING", "ACCEPTED", "REVOKED", "EXPIRED"]


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Whom to invite, and as what."""

    email: Email
    role: Role = Role.MEMBER


class InvitationView(msgspec.Struct, frozen=True, rename="camel"):
    """An invitation. `email` is "removed" once the person it brought here was removed."""

    invitation_id: UUID
    email: str
    role: Role
    status: Status
    invited_by: UUID | None
    created_at: Instant
    expires_at: Instant


class InvitationQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    status: Status | None = None
    sort_by: Literal["createdAt", "expiresAt", "email"] = "createdAt"


class Acceptance(Unshown, frozen=True, kw_only=True):
    """What the mail brought."""

    token: Secret


class Accepted(msgspec.Struct, frozen=True, rename="camel"):
    """The new membership; sign in with this `tenantId` to use it."""

    tenant_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Joined:
    """Who somebody became by an invitation."""

    tenant: UUID
    user: UUID
    role: Role
    created_at: Instant


_STATUS: Final = (
    "CASE WHEN accepted_at IS NOT NULL THEN 'ACCEPTED' WHEN revoked_at IS NOT NULL THEN 'REVOKED'"
    " WHEN expires_at <= now() THEN 'EXPIRED' ELSE 'PENDING' END"
)
_COLUMNS: Final = f"invitation_id, email, role, {_STATUS} AS status, invited_by, created_at, expires_at"
_WHERE: Final = f" FROM invitations WHERE tenant_id = $1 AND ($2::text IS NULL OR {_STATUS} = $2)"
_ORDER: Final = {"createdAt": "created_at", "expiresAt": "expires_at", "email": "email"}


class Invitations:
    """Invitations of a company, and accepting one as somebody who has an account."""

    def __init__(self, keys: MasterKeys, buckets: Buckets, base_url: str) -> None:
        """`base_url` is where the page is, for the link in the mail."""
        self._keys = keys
        self._buckets = buckets
        self._base_url = base_url

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/invitations", "invitations"
        refusals = {"invalid_email": 400, "already_member": 409, "quota_exceeded": 409}
        not_good = {"invalid_invitation": 400, "email_not_verified": 403, "already_member": 409}
        return (
            Operation(
                "POST", path, self.invite, access=ADMINS, tag=tag, status=201, problems=refusals, idempotent=True
            ),
            Operation("GET", path, self.list_invitations, access=ADMINS, tag=tag),
            Operation(
                "DELETE",
                path + "/{invitationId}",
                self.revoke_invitation,
                access=ADMINS,
                tag=tag,
                status=204,
                problems={"already_accepted": 409},
            ),
            Operation(
                "POST",
                path + "/accept",
                self.accept_invitation,
                access=SIGNED_IN,
                tag=tag,
                status=201,
                problems=not_good,
                cost=5.0,
            ),
        )

    async def invite(self, call: Call[NewInvitation, None]) -> InvitationView:
        """Invite somebody by e-mail.

        An open invitation of the same address is replaced. The answer is the same whether the address has an account
        anywhere or not.
        """
        db, caller, role = call.db, call.caller, call.body.role
        email = email_of(call.body.email)
        await self._limit(caller.tenant, email)
        await quotas.lock_members(db, caller.tenant)
        if await db.fetchval(
            "SELECT EXISTS (SELECT FROM users WHERE tenant_id = $1 AND email = $2)", caller.tenant, email
        ):
            raise Problem(409, "already_member", "this person is a member already")
        await db.execute(
            "UPDATE invitations SET revoked_at = now() WHERE tenant_id = $1 AND email = $2"
            " AND accepted_at IS NULL AND revoked_at IS NULL",
            caller.tenant,
            email,
        )
        await quotas.check_seat(db, caller.tenant)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = await db.fetchrow(
            "INSERT INTO invitations"  # noqa: S608 - a constant
            " (tenant_id, email, role, token_hash, invited_by, expires_at)"
            f" VALUES ($1, $2, $3, $4, $5, now() + $6::interval) RETURNING {_COLUMNS}",
            caller.tenant,
            email,
            role.value,
            _hash(token),
            caller.user,
            VALID,
        )
        company = await db.fetchval("SELECT name FROM tenants WHERE tenant_id = $1", caller.tenant)
        try:
            mail = messages.invitation(
                email, base_url=self._base_url, token=token, company=company, inviter=caller.name, days=VALID.days
            )
        except MailRefused:
            raise invalid_email() from None
        await outbox.put(db, self._keys, mail)
        await audit.note(call, "invitation.created", row["invitation_id"], {"role": role.value})
        return _view(row)

    async def list_invitations(self, call: Call[None, InvitationQuery]) -> Page[InvitationView]:
        """The company's invitations, old ones included."""
        query, given = call.query, (call.caller.tenant, call.query.status)
        total = await call.db.fetchval("SELECT count(*)" + _WHERE, *given)
        rows = await call.db.fetch(
            f"SELECT {_COLUMNS}{_WHERE} ORDER BY {_ORDER[query.sort_by]} {query.sort_order}, invitation_id"
            " LIMIT $3 OFFSET $4",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([_view(row) for row in rows], query, total)

    async def revoke_invitation(self, call: Call[None, None]) -> None:
        """Make an invitation useless. One that is so already stays so."""
        db, tenant, invitation = call.db, call.caller.tenant, call.ids["invitationId"]
        row = await db.fetchrow(
            "SELECT accepted_at, revoked_at FROM invitations WHERE tenant_id = $1 AND invitation_id = $2 FOR UPDATE",
            tenant,
            invitation,
        )
        if row is None:
            raise not_found()
        if row["accepted_at"] is not None:
            raise Problem(409, "already_accepted", "this invitation was accepted; remove the person instead")
        if row["revoked_at"] is None:
            await db.execute(
                "UPDATE invitations SET revoked_at = now() WHERE tenant_id = $1 AND invitation_id = $2",
                tenant,
                invitation,
            )
            await audit.note(call, "invitation.revoked", invitation, {})

    async def accept_invitation(self, call: Call[Acceptance, None]) -> Accepted:
        """Join another company as the person one is.

        The invitation must be for the caller's own e-mail, and that must be verified. Sessions stay as they are: sign
        in to the other company to work there.
        """
        db, caller = call.db, call.caller
        me = await db.fetchrow(
            "SELECT identity_id, full_name FROM users WHERE tenant_id = $1 AND user_id = $2", caller.tenant, caller.user
        )
        person = None
        if me is not None and me["identity_id"] is not None:
            await speak_for_identity(db, me["identity_id"])
            person = await db.fetchrow(
                "SELECT email, email_verified_at FROM identities WHERE identity_id = $1", me["identity_id"]
            )
        if person is None or person["email_verified_at"] is None:
            raise Problem(403, "email_not_verified", "only who has an account with a verified e-mail can do this")
        joined = await accept(
            db,
            call.body.token,
            identity=me["identity_id"],
            email=person["email"],
            full_name=me["full_name"],
            origin=call.origin,
        )
        await speak_for_tenant(db, caller.tenant)
        return Accepted(joined.tenant, joined.user)

    async def _limit(self, tenant: UUID, email: str) -> None:
        wait = await self._buckets.take(
            Draw("invitation.address", f"{tenant}\n{email}", PER_ADDRESS),
            Draw("invitation.tenant", str(tenant), PER_TENANT),
        )
        if wait > 0:
            raise too_many(wait, "too many invitations; wait and try again")


async def accept(db: Any, token: str, *, identity: UUID, email: str, full_name: str, origin: Origin) -> Joined:
    """Make `identity` a user of the company that invited `email`, in the transaction of `db`, which speaks for that
    identity, and afterwards for that company too. To be called once it is certain that `identity` has this (normalised)
    address.

    Raises `Problem`: 400 `invalid_invitation`, alike for one that is unknown, used, revoked, too old or somebody
    else's; 409 `already_member`.
    """
    # Login, then tenant, then user: everybody locks in this order. It also holds off the login's end.
    if not await db.fetch("SELECT FROM identities WHERE identity_id = $1 FOR NO KEY UPDATE", identity):
        raise _not_good()
    found = await db.fetchrow("SELECT tenant_id, invitation_id FROM invitation_by_token($1)", _hash(token))
    if found is None:
        raise _not_good()
    tenant, invitation = found["tenant_id"], found["invitation_id"]
    await speak_for_tenant(db, tenant)
    in_use = await quotas.lock_members(db, tenant)
    row = await db.fetchrow(
        f"SELECT email, role, {_STATUS} AS status FROM invitations"  # noqa: S608 - a constant
        " WHERE tenant_id = $1 AND invitation_id = $2 FOR UPDATE",
        tenant,
        invitation,
    )
    if not in_use or row is None or row["status"] != "PENDING" or row["email"] != email:
        raise _not_good()
    # Its seat was taken when it was made.
    user = await db.fetchrow(
        "INSERT INTO users (tenant_id, identity_id, email, full_name, role) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (tenant_id, identity_id) DO NOTHING RETURNING user_id, created_at",
        tenant,
        identity,
        email,
        full_name,
        row["role"],
    )
    if user is None:
        raise Problem(409, "already_member", "you are a member of this company already")
    await db.execute(
        "UPDATE invitations SET accepted_at = now() WHERE tenant_id = $1 AND invitation_id = $2", tenant, invitation
    )
    await audit.append(
        db,
        tenant=tenant,
        actor=user["user_id"],
        action="invitation.accepted",
        target=invitation,
        origin=origin,
        details={"role": row["role"]},
    )
    return Joined(tenant, user["user_id"], Role(row["role"]), user["created_at"])


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _not_good() -> Problem:
    return Problem(400, "invalid_invitation", "this invitation is not good, not any more, or for another e-mail")


def _view(row: Any) -> InvitationView:
    return InvitationView(
        row["invitation_id"],
        row["email"],
        Role(row["role"]),
        row["status"],
        row["invited_by"],
        row["created_at"],
        row["expires_at"],
    )
