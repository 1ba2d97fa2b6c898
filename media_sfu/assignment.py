"""Which participant is in which slot of a listener."""

from __future__ import annotations

from collections.abc import Sequence


def assign(current: Sequence[int | None], wanted: Sequence[int], own: int) -> list[int | None]:
    """The slots after a change of choice.

    `current`: the participant in each slot, None for a free one. `wanted`: participants in order of preference, at
    least one more than slots if all are to be filled for a speaker too. `own`: the listener's own number, which it is
    never given (0 if it has none).

    Whoever is in a slot and still wanted stays there: a move would be a speaker change in two slots. The others' slots
    are filled in order of preference.
    """
    places = len(current)
    newcomers = dict.fromkeys([number for number in dict.fromkeys(wanted) if number != own][:places])
    after: list[int | None] = []
    for number in current:
        stays = number is not None and number in newcomers
        after.append(number if stays else None)
        if stays and number is not None:
            del newcomers[number]
    for number in newcomers:
        after[after.index(None)] = number
    return after
