"""The people of a tenant, as its administrators see and change them."""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.identity import admins, quotas
from edge.identity.sessions import end_sessions
from kernel import audit
from kernel.http.fields import Instant, Search
from kernel.http.operation import ADMINS, HOSTS, Call, Operation, Role
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import not_found

Status = Literal["ACTIVE", "SUSPENDED", "REMOVED"]


class UserView(msgspec.Struct, frozen=True, rename="camel"):
    """A person in this company. Somebody who was removed keeps their id and nothing else."""

    user_id: UUID
    email: str | None
    full_name: str
    role: Role
    status: Status
    created_at: Instant
    last_login_at: Instant | None


class UserQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """People that were removed are listed only if they are asked for."""

    search: Search = ""
    """Part of a name or an e-mail, whatever its case and accents."""
    role: Role | None = None
    status: Status | None = None
    sort_by: Literal["createdAt", "fullName", "email", "lastLoginAt"] = "createdAt"


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is."""

    role: Role | None = None
    status: Literal["ACTIVE", "SUSPENDED"] | None = None


_COLUMNS: Final = "user_id, email, full_name, role, status, created_at, last_login_at"
# Without the marks that decomposing splits off, and in lower case: as `folded` does it, in a database whose locale
# knows ASCII only. ILIKE would not: it finds no "josé" for "JOSÉ" there.
_FOLDED: Final = "lower(regexp_replace(normalize({}, NFD), '[\\u0300-\\u036f]', '', 'g'))"
_NAME: Final = _FOLDED.format("full_name")
_EMAIL: Final = _FOLDED.format("coalesce(email, '')")
# A tenant's users are found by the index on the tenant and counted in hundreds: what is left to do per row is cheap.
_WHERE: Final = (
    f" FROM users WHERE tenant_id = $1 AND (strpos({_NAME}, $2) > 0 OR strpos({_EMAIL}, $2) > 0)"
    " AND ($3::text IS NULL OR role = $3)"
    " AND CASE WHEN $4::text IS NULL THEN status <> 'REMOVED' ELSE status = $4 END"
)
_ORDER: Final[Mapping[str, str]] = {
    "createdAt": "created_at",
    "fullName": _NAME,
    "email": "email",
    "lastLoginAt": "last_login_at",
}


class Users:
    """The list of people, their roles, and who may come in."""

    def __init__(self, ring: Callable[[], Awaitable[None]]) -> None:
        """`ring` makes every process look at what was revoked."""
        self._ring = ring

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation("GET", "/api/v1/users", self.list_users, access=HOSTS, tag="users"),
            Operation("GET", "/api/v1/users/{userId}", self.get_user, access=HOSTS, tag="users"),
            Operation(
                "PATCH",
                "/api/v1/users/{userId}",
                self.change_user,
                access=ADMINS,
                tag="users",
                problems={"last_admin": 409},
            ),
        )

    async def list_users(self, call: Call[None, UserQuery]) -> Page[UserView]:
        """The people of the company."""
        query = call.query
        given = (
            call.caller.tenant,
            folded(query.search),
            query.role.value if query.role is not None else None,
            query.status,
        )
        total = await call.db.fetchval("SELECT count(*)" + _WHERE, *given)
        rows = await call.db.fetch(
            f"SELECT {_COLUMNS}{_WHERE} ORDER BY {_ORDER[query.sort_by]} {query.sort_order} NULLS LAST, user_id"
            " LIMIT $5 OFFSET $6",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([_view(row) for row in rows], query, total)

    async def get_user(self, call: Call[None, None]) -> UserView:
        """One person of the company, also after they were removed."""
        return _view(await _row(call.db, call.caller.tenant, call.ids["userId"]))

    async def change_user(self, call: Call[UserChange, None]) -> UserView:
        """Change somebody's role, or suspend them and let them in again.

        It takes effect within seconds, for what is open too. Whoever is suspended or no administrator any more loses
        the invitations they sent that are still open. The last active administrator stays one.
        """
        db, caller, user, change = call.db, call.caller, call.ids["userId"], call.body
        await quotas.lock_members(db, caller.tenant)
        old = await _row(db, caller.tenant, user, lock=True)
        if old["status"] == "REMOVED":
            raise not_found()
        role = change.role.value if change.role is not None else old["role"]
        status = change.status or old["status"]
        if (role, status) == (old["role"], old["status"]):
            return _view(old)
        if admins.administers(old["role"], old["status"]) and not admins.administers(role, status):
            await admins.check_not_last(db, caller.tenant, user)
            await admins.withdraw_invitations(db, caller.tenant, user)
        # The trigger raises the token version, which ends tokens that say otherwise.
        new = await db.fetchrow(
            "UPDATE users SET role = $3, status = $4, updated_at = now()"  # noqa: S608 - a constant
            f" WHERE tenant_id = $1 AND user_id = $2 RETURNING {_COLUMNS}",
            caller.tenant,
            user,
            role,
            status,
        )
        if status == "SUSPENDED":
            await end_sessions(db, caller.tenant, user)
        await _note(call, user, old, role, status)
        call.after_commit(self._ring)
        return _view(new)


def folded(text: str) -> str:
    """`text` as names and e-mails are searched: no case, no accents."""
    letters = unicodedata.normalize("NFD", text.strip())
    return "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f").lower()


async def _row(db: Any, tenant: UUID, user: UUID, *, lock: bool = False) -> Any:
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE tenant_id = $1 AND user_id = $2" + (" FOR UPDATE" if lock else ""),  # noqa: S608 - nothing in it comes from outside
        tenant,
        user,
    )
    if row is None:
        raise not_found()
    return row


async def _note(call: Call[UserChange, None], user: UUID, old: Any, role: str, status: str) -> None:
    if role != old["role"]:
        await audit.note(call, "user.role_changed", user, {"from": old["role"], "to": role})
    if status != old["status"]:
        await audit.note(call, "user.suspended" if status == "SUSPENDED" else "user.reactivated", user)


def _view(row: Any) -> UserView:
    return UserView(
        row["user_id"],
        row["email"],
        row["full_name"],
        Role(row["role"]),
        row["status"],
        row["created_at"],
        row["last_login_at"],
    )
