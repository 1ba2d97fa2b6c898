"""A room as several SFUs tell of it, each of its own people, put together."""

from __future__ import annotations

from typing import Final

import msgspec

from edge.voice.state import VoicePerson, VoiceState

SILENT_SECONDS: Final = 7.0
"""An SFU that said nothing for so long has nobody of the room any more: three of its words were missed."""


class WholeRoom:
    """`now` is seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.state: VoiceState | None = None
        """All that is known; None: nothing was ever heard, or all was lost. `sfu` is the one with the most people, and
        `slots` those that are usual there."""
        self._told: dict[str, VoiceState] = {}
        self._heard_at: dict[str, float] = {}

    @property
    def sfus(self) -> list[str]:
        """The names of those that have people of it."""
        return [name for name, state in self._told.items() if state.people]

    def of_sfu(self, name: str) -> VoiceState | None:
        """What one of them said."""
        return self._told.get(name)

    def heard(self, state: VoiceState, now: float) -> None:
        """An SFU tells of its part."""
        before = self._told.get(state.sfu)
        if before is not None and before.at > state.at:
            return  # overtaken on its way
        self._told[state.sfu] = state
        self._heard_at[state.sfu] = now
        self._put_together()

    def lost(self, name: str) -> list[VoicePerson]:
        """That SFU is gone: who was on it, and on no other by now."""
        gone = self._told.pop(name, None)
        self._heard_at.pop(name, None)
        self._put_together()
        if gone is None:
            return []
        left = {person.number for person in self.state.people} if self.state is not None else set()
        return [person for person in gone.people if person.number not in left]

    def check(self, now: float) -> bool:
        """Forget what was not said again for long, now and then. Whether `state` is another because of it."""
        silent = [name for name, at in self._heard_at.items() if now - at > SILENT_SECONDS and self._told[name].people]
        for name in silent:
            # Its last word, that all have gone, was missed.
            self._told[name] = msgspec.structs.replace(self._told[name], people=[], own={}, spoken={})
        if silent:
            self._put_together()
        return bool(silent)

    def _put_together(self) -> None:
        parts = sorted(self._told.values(), key=lambda state: (len(state.people), state.at), reverse=True)
        for empty in [part for part in parts[1:] if not part.people]:
            del self._told[empty.sfu], self._heard_at[empty.sfu]
            parts.remove(empty)
        if len(parts) < 2:
            self.state = parts[0] if parts else None
            return
        usual = parts[0]
        people: dict[int, tuple[VoicePerson, VoiceState]] = {}
        for part in parts:
            for person in part.people:
                known = people.get(person.number)
                if known is None or _newer(person, part, *known):
                    people[person.number] = (person, part)
        slots = {str(number): part.own.get(str(number), part.slots) for number, (_, part) in people.items()}
        self.state = VoiceState(
            room=usual.room,
            sfu=usual.sfu,
            at=max(part.at for part in parts),
            people=[person for person, _ in people.values()],
            slots=usual.slots,
            own={number: own for number, own in slots.items() if own != usual.slots},
            recording=any(part.recording for part in parts),
            spoken={
                str(number): part.spoken[str(number)]
                for number, (_, part) in people.items()
                if str(number) in part.spoken
            },
        )


def _newer(person: VoicePerson, part: VoiceState, known: VoicePerson, known_part: VoiceState) -> bool:
    """Whether somebody whom two SFUs have is rather where `part` says: they moved, and one has not noticed yet."""
    if person.connected != known.connected:
        return person.connected
    return part.spoken.get(str(person.number), 0.0) < known_part.spoken.get(str(person.number), 0.0)
