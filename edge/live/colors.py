"""The colour of somebody who brings none: the same wherever this person shows."""

from __future__ import annotations

from typing import Final
from uuid import UUID

PALETTE: Final = (
    "#0f766e",
    "#b4367a",
    "#2563c9",
    "#a8480f",
    "#7a4fd0",
    "#3f7a1f",
    "#b3261e",
    "#0b7285",
    "#6d5a12",
    "#84408f",
)
"""The page's own (`edge/web/src/page/person.ts`): dark enough for white letters, and apart from each other."""
_MODULUS: Final = 1_000_003


def color_of(user: UUID) -> str:
    """`#rrggbb`, the one that the page takes first for this id."""
    total = 0
    for letter in str(user):
        total = (total * 31 + ord(letter)) % _MODULUS
    return PALETTE[total % len(PALETTE)]
