"""Which tokens end before their time, as a process holds it in memory. Pure: rows and a clock come in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple
from uuid import UUID

from kernel.tokens.jws import LEEWAY_SECONDS

ENTRIES: Final = 100_000
"""Most revocations held, some 25 MB. It takes 150 a second, sustained, to get there."""


class Bearer(NamedTuple):
    """Who shows a token, as far as revocations tell people apart. `issued_at` is in Unix seconds."""

    tenant: UUID
    user: UUID
    session: UUID | None
    """None: it belongs to no session (a room ticket)."""
    version: int | None
    issued_at: float


class Revocation(NamedTuple):
    """One row. `revoked_at` is in Unix seconds."""

    tenant: UUID
    user: UUID | None
    """None: everybody of the tenant."""
    session: UUID | None
    """None: every session of the user."""
    version: int | None
    """Set: only tokens of a lower version. (Unset, and no session: all that was issued before.)"""
    revoked_at: float


@dataclass(slots=True)
class _Tenant:
    everybody: float = -inf
    """Tokens issued before this are refused."""
    users: dict[UUID, float] = field(default_factory=dict)
    """The same, per user."""
    versions: dict[UUID, tuple[int, float]] = field(default_factory=dict)
    """The lowest version taken, and since when."""
    sessions: dict[UUID, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.users) + len(self.versions) + len(self.sessions)


class Revocations:
    """What is refused. Adding a row twice, or rows out of order, changes nothing.

    Past `ENTRIES` the tenant with the most is held as one cut in time: all its tokens issued before are refused, also
    those nobody revoked, whose holders refresh. Rather that than to forget one.
    """

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._count = 0
        self._tenants: dict[UUID, _Tenant] = {}

    def __len__(self) -> int:
        return self._count

    def refuses(self, bearer: Bearer) -> bool:
        """Whether a token of `bearer` was revoked."""
        tenant = self._tenants.get(bearer.tenant)
        if tenant is None:
            return False
        # Whole seconds of `iat`, and clocks that are off: in doubt a token counts as issued before.
        issued = bearer.issued_at - LEEWAY_SECONDS
        if issued < tenant.everybody or issued < tenant.users.get(bearer.user, -inf):
            return True
        if bearer.session is not None and bearer.session in tenant.sessions:
            return True
        lowest = tenant.versions.get(bearer.user)
        return lowest is not None and bearer.version is not None and bearer.version < lowest[0]

    def add(self, rows: Iterable[Revocation]) -> frozenset[UUID]:
        """Take rows in; returns the tenants for which anything is new."""
        changed = set()
        for row in rows:
            tenant = self._tenants.setdefault(row.tenant, _Tenant())
            before = len(tenant)
            if _add(tenant, row):
                changed.add(row.tenant)
            self._count += len(tenant) - before
        while self._count > self._entries:
            self._fold()
        return frozenset(changed)

    def forget(self, before: float) -> None:
        """Drop what was revoked before this time (Unix seconds): no token it could mean is still in force."""
        for key, tenant in list(self._tenants.items()):
            tenant.users = {user: at for user, at in tenant.users.items() if at >= before}
            tenant.versions = {user: lowest for user, lowest in tenant.versions.items() if lowest[1] >= before}
            tenant.sessions = {session: at for session, at in tenant.sessions.items() if at >= before}
            if tenant.everybody < before and not len(tenant):
                del self._tenants[key]
        self._count = sum(len(tenant) for tenant in self._tenants.values())

    def _fold(self) -> None:
        tenant = max(self._tenants.values(), key=len)
        self._count -= len(tenant)
        latest = max(
            [*tenant.users.values(), *tenant.sessions.values(), *(at for _, at in tenant.versions.values())],
            default=-inf,
        )
        tenant.everybody = max(tenant.everybody, latest)
        tenant.users, tenant.versions, tenant.sessions = {}, {}, {}


def _add(tenant: _Tenant, row: Revocation) -> bool:
    """Whether the row says something new."""
    if row.revoked_at <= tenant.everybody:
        return False  # whatever it means was issued before that
    if row.user is None:
        tenant.everybody = row.revoked_at
        return True
    if row.session is not None:
        new = row.session not in tenant.sessions
        tenant.sessions[row.session] = max(row.revoked_at, tenant.sessions.get(row.session, -inf))
        return new
    if row.version is None:
        new = row.revoked_at > tenant.users.get(row.user, -inf)
        tenant.users[row.user] = max(row.revoked_at, tenant.users.get(row.user, -inf))
        return new
    version, at = tenant.versions.get(row.user, (0, -inf))
    tenant.versions[row.user] = (max(version, row.version), max(at, row.revoked_at))
    return row.version > version
