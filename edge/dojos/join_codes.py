"""Join codes: what a host reads out so that others come in.

Ten characters of Crockford's base32 (50 random bits), shown as XXXXX-XXXXX. Only their hash is stored: a code is seen
when it is made and never again.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHARACTERS: Final = 10
_GROUP: Final = 5
_FORGIVEN: Final = str.maketrans("ILO", "110")
"""Letters that are no part of the alphabet because they look like a digit."""


def new_code() -> str:
    """A code, in its normal form."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CHARACTERS))


def shown(code: str) -> str:
    """A code as people read it."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def normal(typed: str) -> str | None:
    """The normal form of what somebody typed, whatever its case, blanks and dashes; None if it can be no code."""
    code = "".join(typed.split()).replace("-", "").upper().translate(_FORGIVEN)
    if len(code) != CHARACTERS or any(character not in ALPHABET for character in code):
        return None
    return code


def hashed(code: str) -> bytes:
    """What is stored of a code in its normal form. Unsalted, to be found by it: trying all 2^50 costs more than what
    one dojo is worth, and a code is void when the dojo ends."""
    return hashlib.sha256(code.encode()).digest()
