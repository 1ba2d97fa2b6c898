"""Values that hold secrets."""

from __future__ import annotations

import msgspec


class Unshown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A request or an answer that holds a password or a token: its repr shows nothing of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
