"""Who is next at the keyboard. All values in, all values out: any node comes to the same pair.

Randori practice knows two orders. In one the copilot, who has just followed closely, takes the keyboard and somebody
from the audience takes their chair (codingdojo.org; common in Brazil, where many dojos run). In the other somebody from
the audience pilots first and stays a turn as copilot, to explain what they began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from edge.dojos.turns.state import Rotation


@dataclass(frozen=True, slots=True)
class Pair:
    """Who is at the keyboard, and the queue behind them."""

    pilot: UUID | None
    copilot: UUID | None
    order: tuple[UUID, ...]


def rotated(
    rotation: Rotation,
    order: Sequence[UUID],
    present: Iterable[UUID],
    pilot: UUID | None,
    copilot: UUID | None,
    *,
    turn_number: int,
) -> Pair:
    """The pair after `pilot` and `copilot`. Only those `present`, who are in `order`, are chosen; somebody alone stays
    pilot. `turn_number` is what a draw depends on, besides who is there."""
    here = set(present)
    queue = [user for user in order if user in here]
    if not queue:
        return Pair(None, None, tuple(order))
    others = [user for user in queue if user not in (pilot, copilot)]
    if rotation is Rotation.BY_COPILOT:
        next_pilot = copilot if copilot in here else _first(others, pilot, queue)
        back = _to_the_end(order, pilot, next_pilot)
        return Pair(next_pilot, _behind(next_pilot, back, here), back)
    if rotation is Rotation.BY_QUEUE:
        next_pilot = _first(others, copilot, queue)
        back = _to_the_end(order, copilot, next_pilot)
        next_copilot = pilot if pilot in here and pilot != next_pilot else _behind(next_pilot, back, here)
        return Pair(next_pilot, next_copilot, back)
    drawn = sorted(queue, key=lambda user: _lot(user, turn_number))
    next_pilot = _first([user for user in drawn if user != pilot], None, drawn)
    rest = [user for user in drawn if user not in (pilot, next_pilot)]
    next_copilot = rest[0] if rest else _behind(next_pilot, queue, here)
    return Pair(next_pilot, next_copilot, _to_the_end(order, pilot, next_pilot))


def swapped(order: Sequence[UUID], present: Iterable[UUID], pilot: UUID | None, copilot: UUID | None) -> Pair:
    """The same two the other way round; the first of the queue in place of who is missing."""
    here = set(present)
    queue = [user for user in order if user in here]
    if not queue:
        return Pair(None, None, tuple(order))
    next_pilot = copilot if copilot in here else _first([user for user in queue if user != pilot], pilot, queue)
    next_copilot = pilot if pilot in here and pilot != next_pilot else _behind(next_pilot, queue, here)
    return Pair(next_pilot, next_copilot, tuple(order))


def _first(preferred: Sequence[UUID], otherwise: UUID | None, queue: Sequence[UUID]) -> UUID:
    if preferred:
        return preferred[0]
    return otherwise if otherwise is not None and otherwise in queue else queue[0]


def _behind(pilot: UUID | None, order: Sequence[UUID], here: set[UUID]) -> UUID | None:
    """The first of the queue who could sit beside `pilot`."""
    return next((user for user in order if user in here and user != pilot), None)


def _to_the_end(order: Sequence[UUID], user: UUID | None, unless: UUID | None) -> tuple[UUID, ...]:
    if user is None or user == unless or user not in order:
        return tuple(order)
    return (*(each for each in order if each != user), user)


def _lot(user: UUID, turn_number: int) -> bytes:
    # A draw, but the same on every node: a hash in place of a generator.
    return hashlib.blake2b(user.bytes + turn_number.to_bytes(8, "big"), digest_size=8).digest()
