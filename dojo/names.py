"""Names people type, mapped to the UUIDs everything below works with.

A UUID is taken as it is. Any other name becomes a version 5 UUID (RFC 9562), so that the same name always means the
same tenant or user, on every machine:

    tenant = uuid5(NAMESPACE, "tenant:" + name)
    user   = uuid5(tenant,    "user:" + name)

A user's UUID depends on the tenant: "ana" of two companies is two people.
"""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("6e7c1c1e-5a7b-5c3e-9f0a-d0d0d0d0d0d0")
"""Never change it: rooms are stored under the UUIDs derived from it."""

EMBEDDED_TENANT = "embedded"
"""The tenant of a Dojo that runs on one machine for whoever opens its page."""


def tenant_id(name: str) -> UUID:
    """The tenant a name or a written UUID means. Raises `ValueError` on an empty name."""
    return _as_uuid(name) or uuid5(NAMESPACE, f"tenant:{_named(name)}")


def user_id(tenant: UUID, name: str) -> UUID:
    """The user of `tenant` that a name or a written UUID means. Raises `ValueError` on an empty name."""
    return _as_uuid(name) or uuid5(tenant, f"user:{_named(name)}")


def _as_uuid(name: str) -> UUID | None:
    try:
        found = UUID(name)
    except ValueError:
        return None
    # The constructor also reads braces, urn: and bare hex; a name is only taken for a UUID in the one usual spelling.
    return found if str(found) == name.lower() else None


def _named(name: str) -> str:
    if not name.strip():
        raise ValueError("a name must not be empty")
    return name
