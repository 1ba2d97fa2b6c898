"""Signing up: a new company with its first user, or a person whom a company invited.

This is the one place that tells whether an address has an account (409), because nobody could sign up otherwise; it is
limited by address and by network for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from edge.identity import invitations
from edge.identity.attempts import Attempts
from edge.identity.credentials import Password, check_choice, email_of, hashed, verified
from edge.identity.email_verification import EmailVerification
from edge.identity.me import shown_name
from edge.identity.passwords import PasswordHashing
from edge.identity.unshown import Unshown
from kernel import audit
from kernel.database import scope, speak_for_identity
from kernel.http.fields import Email, Instant, Name, Secret
from kernel.http.operation import ANYBODY, Operation, Origin, PublicCall, Role
from kernel.http.problem import Problem
from kernel.http.router import ACQUIRE_SECONDS


class NewUser(Unshown, frozen=True, kw_only=True):
    """Who signs up. Without `invitation_token` a company of this name is founded, and the person is its admin. With one
    they join the company that invited this e-mail address, which also proves the address; `company_name` says nothing
    then. `role` is advice and decides nothing."""

    email: Email
    password: Password
    full_name: Name
    company_name: Name | None = None
    role: Annotated[str, Meta(max_length=100)] | None = None
    invitation_token: Secret | None = None


class SignedUp(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The new user."""

    user_id: UUID
    tenant_id: UUID
    email: str
    full_name: str
    company_name: str
    role: Role
    created_at: Instant


@dataclass(frozen=True, slots=True)
class _Person:
    """Whose address it is: somebody who is here already, or who will be."""

    identity: UUID
    password_hash: str
    new: bool

    def __repr__(self) -> str:
        return f"_Person({self.identity}, new={self.new})"


class SignUp:
    """`POST /api/v1/users`."""

    def __init__(
        self, pool: Any, hashing: PasswordHashing, attempts: Attempts, verification: EmailVerification
    ) -> None:
        self._pool = pool
        self._hashing = hashing
        self._attempts = attempts
        self._verification = verification

    def operations(self) -> list[Operation]:
        """Its route."""
        problems = {
            "invalid_email": 400,
            "invalid_name": 400,
            "invalid_invitation": 400,
            "company_name_missing": 400,
            "weak_password": 400,
            "email_taken": 409,
            "already_member": 409,
            "too_many_attempts": 429,
            "busy": 503,
        }
        return [
            Operation("POST", "/api/v1/users", self.sign_up, access=ANYBODY, tag="users", status=201, problems=problems)
        ]

    async def sign_up(self, call: PublicCall[NewUser, None]) -> SignedUp:
        """Sign up: found a company, or join the one that sent an invitation.

        Somebody who has an account already and was invited to another company gives the password they have.
        """
        body, origin = call.body, call.origin
        email = email_of(body.email)
        full_name = shown_name(body.full_name)
        if body.invitation_token is None and body.company_name is None:
            raise Problem(400, "company_name_missing", "companyName says which company is founded")
        company = shown_name(body.company_name) if body.company_name is not None else ""
        await self._attempts.mail("sign_up", email, origin)
        known = await self._known(email)
        if body.invitation_token is not None:
            return await self._join(
                body, body.invitation_token, email=email, full_name=full_name, known=known, origin=origin
            )
        if known is not None:
            raise _taken()
        person = await self._new_person(body.password, email, full_name)
        return await self._found(person, email, full_name, company, origin)

    async def _known(self, email: str) -> _Person | None:
        async with scope(self._pool, acquire_seconds=ACQUIRE_SECONDS) as db:
            identity: UUID | None = await db.fetchval("SELECT identity_by_email($1)", email)
            if identity is None:
                return None
            await speak_for_identity(db, identity)
            hash_ = await db.fetchval("SELECT password_hash FROM identities WHERE identity_id = $1", identity)
        return None if hash_ is None else _Person(identity, hash_, new=False)

    async def _new_person(self, password: str, email: str, full_name: str) -> _Person:
        check_choice(password, email=email, full_name=full_name)
        return _Person(uuid4(), await hashed(self._hashing, password), new=True)

    async def _found(self, person: _Person, email: str, full_name: str, company: str, origin: Origin) -> SignedUp:
        tenant, user, role = uuid4(), uuid4(), Role.ADMIN
        async with scope(self._pool, tenant=tenant, identity=person.identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            await _insert(db, person, email)
            await db.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)", tenant, company)
            created: datetime = await db.fetchval(
                "INSERT INTO users (tenant_id, user_id, identity_id, email, full_name, role)"
                " VALUES ($1, $2, $3, $4, $5, $6) RETURNING created_at",
                tenant,
                user,
                person.identity,
                email,
                full_name,
                role.value,
            )
            await self._verification.send_first(db, email, person.identity)
            await audit.append(db, tenant=tenant, actor=user, action="tenant.founded", target=tenant, origin=origin)
            await audit.append(db, tenant=tenant, actor=user, action="user.signed_up", target=user, origin=origin)
        return SignedUp(
            user_id=user,
            tenant_id=tenant,
            email=email,
            full_name=full_name,
            company_name=company,
            role=role,
            created_at=created,
        )

    async def _join(
        self, body: NewUser, token: str, *, email: str, full_name: str, known: _Person | None, origin: Origin
    ) -> SignedUp:
        if known is None:
            person = await self._new_person(body.password, email, full_name)
        else:
            person = known
            await self._attempts.login(email, origin)  # a password is looked at, here as there
            if not await verified(self._hashing, known.password_hash, body.password):
                raise _taken()
        async with scope(self._pool, identity=person.identity, acquire_seconds=ACQUIRE_SECONDS) as db:
            if person.new:
                await _insert(db, person, email)
            joined = await invitations.accept(
                db, token, identity=person.identity, email=email, full_name=full_name, origin=origin
            )
            # The token came by mail to this very address.
            await db.execute(
                "UPDATE identities SET email_verified_at = coalesce(email_verified_at, now()) WHERE identity_id = $1",
                person.identity,
            )
            company = await db.fetchval("SELECT name FROM tenants WHERE tenant_id = $1", joined.tenant)
            await audit.append(
                db,
                tenant=joined.tenant,
                actor=joined.user,
                action="user.signed_up",
                target=joined.user,
                origin=origin,
            )
        return SignedUp(
            user_id=joined.user,
            tenant_id=joined.tenant,
            email=email,
            full_name=full_name,
            company_name=company,
            role=joined.role,
            created_at=joined.created_at,
        )


async def _insert(db: Any, person: _Person, email: str) -> None:
    # Whoever signs up with the same address at the same instant waits here, and comes second. (A violated index would
    # end up in Postgres' log, with the address.)
    done = await db.execute(
        "INSERT INTO identities (identity_id, email, password_hash) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING",
        person.identity,
        email,
        person.password_hash,
    )
    if done != "INSERT 0 1":
        raise _taken()


def _taken() -> Problem:
    return Problem(409, "email_taken", "somebody has signed up with this e-mail address already; sign in")
