"""People whom an outside issuer vouches for: who they are here.

Somebody is (issuer, subject) within a tenant, and nothing else. An e-mail address is shown, and links nobody to an
account that is there: whoever runs an issuer can write any address into its tokens.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from edge.identity import quotas
from edge.identity.oidc.verify import OutsidePerson
from kernel import audit
from kernel.http.fields import one_line
from kernel.http.operation import Origin, Role
from kernel.http.problem import Problem

OPERATORS_ROLE: Final = Role.MEMBER
"""Of somebody who comes for the first time from an issuer of the operator's."""
NAMELESS: Final = "Somebody"
NAME_CHARACTERS: Final = 100


class Denial(StrEnum):
    """Why a genuine token of a registered issuer lets nobody in."""

    UNKNOWN_TENANT = "unknown_tenant"
    ISSUER_REMOVED = "issuer_removed"
    PERSON_REMOVED = "person_removed"
    USED_BEFORE = "used_before"


class NotAdmitted(Exception):
    """The token is genuine, and nobody comes in with it."""

    def __init__(self, reason: Denial) -> None:
        super().__init__(reason.value)
        self.reason = reason


def tenant_of(person: OutsidePerson) -> UUID:
    """Where the person belongs: the tenant whose issuer it is, or the one that an operator's issuer names. Raises
    `NotAdmitted`."""
    if person.registration.tenant is not None:
        return person.registration.tenant
    claim = (person.tenant_claim or "").lower()
    try:
        tenant = UUID(claim)
    except ValueError:
        raise NotAdmitted(Denial.UNKNOWN_TENANT) from None
    if str(tenant) != claim:  # the type also reads braces, prefixes and missing dashes
        raise NotAdmitted(Denial.UNKNOWN_TENANT)
    return tenant


async def lock_issuer(db: Any, tenant: UUID, issuer: str, *, alone: bool = False) -> None:
    """Until the transaction's end the tenant's registrations of `issuer` stay as they are. `alone` is for whoever
    changes them: what was admitted before is visible then, and nobody else is being admitted."""
    name = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await db.execute(f"SELECT {name}(hashtextextended($1, 0))", f"issuer {tenant} {issuer}")


async def admit(db: Any, tenant: UUID, person: OutsidePerson, origin: Origin) -> UUID:
    """The person's user, who is created when they come for the first time, in a transaction that speaks for `tenant`.
    Whether that user may sign in is not looked at yet.

    Raises `NotAdmitted`; `Problem`: 403 when the tenant is suspended, 409 when it has no seat left.
    """
    status = await db.fetchval("SELECT status FROM tenants WHERE tenant_id = $1", tenant)
    if status is None:
        raise NotAdmitted(Denial.UNKNOWN_TENANT)
    if status != "ACTIVE":
        raise _suspended()
    role = await _first_role(db, tenant, person)
    user = await _known(db, tenant, person)
    if user is None:
        if not await quotas.lock_members(db, tenant):
            raise _suspended()
        user = await _known(db, tenant, person)  # two tokens of one person may come at once
        if user is None:
            return await _welcome(db, tenant, person, role, origin)
    await _note_changes(db, tenant, user, person)
    return user


async def _first_role(db: Any, tenant: UUID, person: OutsidePerson) -> Role:
    if person.registration.operator:
        return OPERATORS_ROLE
    await lock_issuer(db, tenant, person.issuer)
    role = await db.fetchval(
        "SELECT default_role FROM issuers WHERE tenant_id = $1 AND issuer = $2 AND client_id = $3",
        tenant,
        person.issuer,
        person.client_id,
    )
    if role is None:  # a moment ago
        raise NotAdmitted(Denial.ISSUER_REMOVED)
    return Role(role)


async def _known(db: Any, tenant: UUID, person: OutsidePerson) -> UUID | None:
    row = await db.fetchrow(
        "SELECT u.user_id, u.status FROM external_identities e JOIN users u USING (tenant_id, user_id)"
        " WHERE e.tenant_id = $1 AND e.issuer = $2 AND e.subject = $3 FOR UPDATE OF u",
        tenant,
        person.issuer,
        person.subject,
    )
    if row is None:
        return None
    if row["status"] == "REMOVED":
        raise NotAdmitted(Denial.PERSON_REMOVED)
    user: UUID = row["user_id"]
    return user


async def _welcome(db: Any, tenant: UUID, person: OutsidePerson, role: Role, origin: Origin) -> UUID:
    await quotas.check_seat(db, tenant)
    email = _shown_email(person)
    local_part = email.partition("@")[0] if email is not None else ""
    user: UUID = await db.fetchval(
        "INSERT INTO users (tenant_id, email, full_name, role) VALUES ($1, $2, $3, $4) RETURNING user_id",
        tenant,
        email,
        _shown_name(person) or _shown(local_part) or NAMELESS,
        role.value,
    )
    await db.execute(
        "INSERT INTO external_identities (tenant_id, issuer, subject, user_id) VALUES ($1, $2, $3, $4)",
        tenant,
        person.issuer,
        person.subject,
        user,
    )
    await audit.append(
        db,
        tenant=tenant,
        actor=user,
        action="user.signed_up",
        target=user,
        origin=origin,
        details={"issuer": person.issuer, "role": role.value},
    )
    return user


async def _note_changes(db: Any, tenant: UUID, user: UUID, person: OutsidePerson) -> None:
    """What the token does not speak of stays. An address that is not verified any more is shown no longer."""
    await db.execute(
        "UPDATE users SET full_name = new.full_name, email = new.email, updated_at = now()"
        " FROM (SELECT coalesce($3, full_name) AS full_name, CASE WHEN $4 THEN $5 ELSE email END AS email"
        "  FROM users WHERE tenant_id = $1 AND user_id = $2) new"
        " WHERE tenant_id = $1 AND user_id = $2 AND (users.full_name, users.email)"
        " IS DISTINCT FROM (new.full_name, new.email)",
        tenant,
        user,
        _shown_name(person),
        person.email is not None,
        _shown_email(person),
    )


def _shown_email(person: OutsidePerson) -> str | None:
    return person.email if person.email_verified else None


def _shown_name(person: OutsidePerson) -> str | None:
    return _shown(person.name or "") or None


def _shown(text: str) -> str:
    return one_line(text)[:NAME_CHARACTERS].rstrip()


def _suspended() -> Problem:
    return Problem(403, "account_suspended", "this account is suspended; ask your company's administrator")
