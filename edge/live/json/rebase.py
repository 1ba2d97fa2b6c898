"""Splices carried through what was changed meanwhile, so that both intentions survive."""

from __future__ import annotations

from collections.abc import Sequence

from collab_core.splice import Splice


def rebased(splices: Sequence[Splice], over: Sequence[Splice]) -> list[Splice]:
    """`splices`, made to the text that `over` was made to, as splices of the text that `over` left.

    What either inserted stays, what either deleted is gone, and what is gone already is not deleted again. Of two
    insertions at one place the one in `over`, which was there first, stands first.
    """
    carried: list[Splice] = []
    for splice in splices:
        pieces = _pieces(splice, over)
        at = _insertion(splice, over)
        if splice.insert and not (pieces and pieces[0][0] == at):
            pieces.insert(0, (at, at))
        for number, (start, end) in enumerate(pieces):
            carried.append(Splice(start, end, "" if number else splice.insert))
    return carried


def _pieces(splice: Splice, over: Sequence[Splice]) -> list[tuple[int, int]]:
    """What of the deleted range is still there, in the text that `over` left: what was typed inside stands between."""
    pieces: list[tuple[int, int]] = []
    at, moved = splice.start, 0
    for other in over:
        if other.start >= splice.end:
            break
        if other.start > at:
            pieces.append((at + moved, other.start + moved))
        at = max(at, other.end)
        moved += len(other.insert) - (other.end - other.start)
    if at < splice.end:
        pieces.append((at + moved, splice.end + moved))
    return [piece for piece in pieces if piece[0] < piece[1]]


def _insertion(splice: Splice, over: Sequence[Splice]) -> int:
    """Where the text it inserts goes."""
    moved = 0
    for other in over:
        if other.start > splice.start:
            break
        if other.start == splice.start and other.end > other.start and splice.start == splice.end:
            break  # typed right before what was replaced: it stays before
        if other.end > splice.start:
            return other.start + moved + len(other.insert)
        moved += len(other.insert) - (other.end - other.start)
    return splice.start + moved


def carried(offset: int, over: Sequence[Splice]) -> int:
    """Where a cursor at `offset` stands after `over`. What was inserted right at it pushes it on."""
    return _insertion(Splice(offset, offset, ""), over)
