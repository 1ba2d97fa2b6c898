"""A change of a text: some of it replaced by something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Splice:
    """`text[start:end]` becomes `insert`. Offsets count code points."""

    start: int
    end: int
    insert: str


def spliced(text: str, splices: Sequence[Splice]) -> str:
    """`text` with all of them made. They must be in order, must not overlap, and all count in `text` as it is before;
    raises `ValueError` otherwise."""
    check(splices, len(text))
    pieces = []
    at = 0
    for splice in splices:
        pieces += [text[at : splice.start], splice.insert]
        at = splice.end
    return "".join([*pieces, text[at:]])


def check(splices: Sequence[Splice], length: int) -> None:
    """Raise `ValueError` unless `splices` can be made to a text of `length` code points."""
    at = 0
    for splice in splices:
        if not at <= splice.start <= splice.end <= length:
            raise ValueError(f"a splice of {splice.start} to {splice.end} does not fit behind {at} in {length}")
        at = splice.end
