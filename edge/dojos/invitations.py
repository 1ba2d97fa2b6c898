"""Invitations to a dojo: a random token, mailed to one address of the company, good for it only, once, for a week."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.dojos import access, seats
from edge.dojos.bell import Bell
from edge.dojos.ice_servers import IceServers
from edge.dojos.invitation_mail import dojo_invitation
from edge.dojos.joining import Joined, joined
from edge.dojos.live_addresses import LiveAddresses
from edge.dojos.refusals import no_seat, over
from edge.dojos.seats import Newcomer, NoSeat, Way, Why
from edge.dojos.states import Status
from edge.identity import outbox
from edge.identity.credentials import email_of, invalid_email
from edge.identity.mail.port import MailRefused
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.fields import Email, Instant, Secret
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found, too_many
from kernel.secrets import MasterKeys

VALID: Final = timedelta(days=7)
TOKEN_BYTES: Final = 16
_HOUR: Final = 3600.0
PER_ADDRESS: Final = Bucket(5, 5 / _HOUR)
"""Mails to one address from one company: an invitation that is sent again, not a nuisance."""
PER_HOST: Final = Bucket(200, 50 / _HOUR)
"""A host who invites a whole class, but no mailing list."""

InvitationStatus = Literal["PENDING", "ACCEPTED", "REVOKED", "EXPIRED"]


class NewDojoInvitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite, and as what."""

    email: Email
    role: Literal["PARTICIPANT", "OBSERVER"] = "PARTICIPANT"


class DojoInvitationView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An invitation to a dojo. `email` is "removed" once the person was removed from the company."""

    invitation_id: UUID
    dojo_id: UUID
    email: str
    role: Literal["PARTICIPANT", "OBSERVER"]
    status: InvitationStatus
    invited_by: UUID
    created_at: Instant
    expires_at: Instant


class DojoInvitationQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    status: InvitationStatus | None = None
    sort_by: Literal["createdAt", "email"] = "createdAt"


class DojoAcceptance(Unshown, frozen=True, kw_only=True):
    """What the mail brought."""

    token: Secret


_STATUS: Final = (
    "CASE WHEN accepted_at IS NOT NULL THEN 'ACCEPTED' WHEN revoked_at IS NOT NULL THEN 'REVOKED'"
    " WHEN expires_at <= now() THEN 'EXPIRED' ELSE 'PENDING' END"
)
_COLUMNS: Final = (
    f"invitation_id, dojo_id, email, role, {_STATUS} AS status, invited_by, created_at, expires_at, accepted_at"
)
_WHERE: Final = f" FROM dojo_invitations WHERE tenant_id = $1 AND dojo_id = $2 AND ($3::text IS NULL OR {_STATUS} = $3)"
_ORDER: Final = {"createdAt": "created_at", "email": "email"}


class DojoInvitations:
    """Inviting to a dojo, and accepting."""

    def __init__(
        self,
        keys: MasterKeys,
        buckets: Buckets,
        bell: Bell,
        base_url: str,
        addresses: LiveAddresses,
        *,
        ice: IceServers,
    ) -> None:
        """`base_url` is where the page is, for the link in the mail."""
        self._addresses = addresses
        self._ice = ice
        self._keys = keys
        self._buckets = buckets
        self._bell = bell
        self._base_url = base_url

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/dojos/{dojoId}/invitations", "dojos"
        return (
            Operation(
                "POST",
                path,
                self.invite_to_dojo,
                access=SIGNED_IN,
                tag=tag,
                status=201,
                problems={"invalid_email": 400, "not_host": 403, "dojo_over": 409},
                idempotent=True,
            ),
            Operation("GET", path, self.list_dojo_invitations, access=SIGNED_IN, tag=tag, problems={"not_host": 403}),
            Operation(
                "DELETE",
                path + "/{invitationId}",
                self.revoke_dojo_invitation,
                access=SIGNED_IN,
                tag=tag,
                status=204,
                problems={"not_host": 403, "already_accepted": 409},
            ),
            Operation(
                "POST",
                "/api/v1/dojos/invitations/accept",
                self.accept_dojo_invitation,
                access=SIGNED_IN,
                tag=tag,
                problems={"invalid_invitation": 400, "dojo_full": 409, "dojo_locked": 409},
                cost=5.0,
            ),
        )

    async def invite_to_dojo(self, call: Call[NewDojoInvitation, None]) -> DojoInvitationView:
        """Invite somebody by e-mail.

        An open invitation of the same address is replaced. The answer is the same whether the address is anybody's in
        the company or not; who is not has to join the company first.
        """
        db, caller = call.db, call.caller
        email = email_of(call.body.email)
        dojo = await access.managed(call)
        if Status(dojo["status"]).over:
            raise over()
        await self._limit(caller.tenant, caller.user, email)
        await db.execute(
            "UPDATE dojo_invitations SET revoked_at = now() WHERE tenant_id = $1 AND dojo_id = $2 AND email = $3"
            " AND accepted_at IS NULL AND revoked_at IS NULL",
            caller.tenant,
            dojo["dojo_id"],
            email,
        )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = await db.fetchrow(
            "INSERT INTO dojo_invitations"  # noqa: S608 - a constant
            " (tenant_id, dojo_id, email, role, token_hash, invited_by, expires_at)"
            f" VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval) RETURNING {_COLUMNS}",
            caller.tenant,
            dojo["dojo_id"],
            email,
            call.body.role,
            _hash(token),
            caller.user,
            VALID,
        )
        try:
            mail = dojo_invitation(
                email,
                base_url=self._base_url,
                token=token,
                dojo=dojo["name"],
                inviter=caller.name,
                days=VALID.days,
            )
        except MailRefused:
            raise invalid_email() from None
        await outbox.put(db, self._keys, mail)
        await audit.note(
            call, "dojo.invited", row["invitation_id"], {"dojo": str(dojo["dojo_id"]), "role": call.body.role}
        )
        return _view(row)

    async def list_dojo_invitations(self, call: Call[None, DojoInvitationQuery]) -> Page[DojoInvitationView]:
        """A dojo's invitations, old ones included."""
        dojo, query = await access.managed(call), call.query
        given = (call.caller.tenant, dojo["dojo_id"], query.status)
        total = await call.db.fetchval("SELECT count(*)" + _WHERE, *given)
        rows = await call.db.fetch(
            f"SELECT {_COLUMNS}{_WHERE} ORDER BY {_ORDER[query.sort_by]} {query.sort_order}, invitation_id"
            " LIMIT $4 OFFSET $5",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([_view(row) for row in rows], query, total)

    async def revoke_dojo_invitation(self, call: Call[None, None]) -> None:
        """Make an invitation useless. One that is so already stays so."""
        dojo, tenant = await access.managed(call), call.caller.tenant
        row = await call.db.fetchrow(
            "SELECT accepted_at, revoked_at FROM dojo_invitations"
            " WHERE tenant_id = $1 AND dojo_id = $2 AND invitation_id = $3 FOR UPDATE",
            tenant,
            dojo["dojo_id"],
            call.ids["invitationId"],
        )
        if row is None:
            raise not_found()
        if row["accepted_at"] is not None:
            raise Problem(409, "already_accepted", "this invitation was accepted; remove the participant instead")
        if row["revoked_at"] is None:
            await call.db.execute(
                "UPDATE dojo_invitations SET revoked_at = now() WHERE tenant_id = $1 AND invitation_id = $2",
                tenant,
                call.ids["invitationId"],
            )
            await audit.note(call, "dojo.invitation_revoked", call.ids["invitationId"], {"dojo": str(dojo["dojo_id"])})

    async def accept_dojo_invitation(self, call: Call[DojoAcceptance, None]) -> Joined:
        """Take the seat one was invited to.

        The invitation must be for the caller's own e-mail, which must be verified. It passes the waiting room.
        """
        db, caller = call.db, call.caller
        email = await access.proven_email(db, caller.tenant, caller.user)
        found = await db.fetchrow(
            "SELECT invitation_id, dojo_id FROM dojo_invitations WHERE tenant_id = $1 AND token_hash = $2",
            caller.tenant,
            _hash(call.body.token),
        )
        if found is None or email is None:
            raise _not_good()
        # Dojo, then invitation: everybody locks in this order.
        await db.execute(
            "SELECT FROM dojos WHERE tenant_id = $1 AND dojo_id = $2 FOR NO KEY UPDATE", caller.tenant, found["dojo_id"]
        )
        row = await db.fetchrow(
            f"SELECT {_COLUMNS} FROM dojo_invitations WHERE tenant_id = $1 AND invitation_id = $2 FOR UPDATE",  # noqa: S608 - a constant
            caller.tenant,
            found["invitation_id"],
        )
        if row["status"] != "PENDING" or row["email"] != email:
            raise _not_good()
        who = Newcomer(caller.user, caller.name, caller.role, observes=row["role"] == "OBSERVER")
        try:
            seat = await seats.take(db, caller.tenant, row["dojo_id"], who, Way.INVITATION)
        except NoSeat as none:
            raise (no_seat(none.why) if none.why in (Why.FULL, Why.LOCKED) else _not_good()) from None
        await db.execute(
            "UPDATE dojo_invitations SET accepted_at = now() WHERE tenant_id = $1 AND invitation_id = $2",
            caller.tenant,
            row["invitation_id"],
        )
        await audit.note(call, "dojo.invitation_accepted", row["invitation_id"], {"dojo": str(row["dojo_id"])})
        await self._bell.after_commit(call, row["dojo_id"])
        return await joined(db, caller.tenant, seat, self._addresses, self._ice)

    async def _limit(self, tenant: UUID, user: UUID, email: str) -> None:
        wait = await self._buckets.take(
            Draw("dojo_invitation.address", f"{tenant}\n{email}", PER_ADDRESS),
            Draw("dojo_invitation.host", str(user), PER_HOST),
        )
        if wait > 0:
            raise too_many(wait, "too many invitations; wait and try again")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _not_good() -> Problem:
    return Problem(400, "invalid_invitation", "this invitation is not good, not any more, or for another e-mail")


def _view(row: Any) -> DojoInvitationView:
    return DojoInvitationView(**{name: row[name] for name in DojoInvitationView.__struct_fields__})
