"""A room as several SFUs tell of it, each of its own people, put together."""

from __future__ import annotations

from typing import Final

import msgspec

from edge.voice.state import VoiceChange, VoicePerson, VoiceState

SILENT_SECONDS: Final = 7.0
"""An SFU that said nothing for so long has nobody of the room any more: three of its words were missed."""


class WholeRoom:
    """`now` is seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.state: VoiceState | None = None
        """All that is known; None: nothing was ever heard, or all was lost. `sfu` is the one with the most people, and
        `slots` those that are usual there."""
        self._told: dict[str, VoiceState] = {}
        self._changed: dict[str, VoiceChange] = {}
        """What was told after that, or before anything was told of the people."""
        self._parts: dict[str, VoiceState] = {}
        """Both together."""
        self._heard_at: dict[str, float] = {}

    @property
    def sfus(self) -> list[str]:
        """The names of those that have people of it."""
        return [name for name, part in self._parts.items() if part.people]

    def of_sfu(self, name: str) -> VoiceState | None:
        """What one of them said, if its people are still those: None if it has spoken of others since."""
        part, change = self._parts.get(name), self._changed.get(name)
        return part if part is None or change is None or change.version == part.version else None

    def heard(self, told: VoiceState | VoiceChange, now: float) -> None:
        """An SFU tells of its part. A change is kept until its people are told, and applied to those known meanwhile:
        who speaks is not to wait for that."""
        name = told.sfu
        before = self._told.get(name) if isinstance(told, VoiceState) else self._changed.get(name)
        if before is not None and before.at > told.at:
            return  # overtaken on its way
        self._heard_at[name] = now
        if isinstance(told, VoiceState):
            self._told[name] = told
        else:
            self._changed[name] = told
        state, change = self._told.get(name), self._changed.get(name)
        if state is None:
            return
        if change is not None and change.at < state.at:
            del self._changed[name]
            change = None
        self._parts[name] = state if change is None else _changed(state, change)
        self._put_together()

    def lost(self, name: str) -> list[VoicePerson]:
        """That SFU is gone: who was on it, and on no other by now."""
        gone = self._parts.get(name)
        self._forget(name)
        self._put_together()
        if gone is None:
            return []
        left = {person.number for person in self.state.people} if self.state is not None else set()
        return [person for person in gone.people if person.number not in left]

    def check(self, now: float) -> bool:
        """Forget what was not said again for long, now and then. Whether `state` is another because of it."""
        silent = [name for name, at in self._heard_at.items() if now - at > SILENT_SECONDS]
        emptied = False
        for name in silent:
            # Its last word, that all have gone, was missed.
            self._changed.pop(name, None)
            part = self._parts.get(name)
            if part is None:
                self._forget(name)
            elif part.people:
                nobody: list[int | None] = [None] * len(part.slots)
                self._told[name] = self._parts[name] = msgspec.structs.replace(
                    part, people=[], slots=nobody, own={}, spoken={}
                )
                emptied = True
        if emptied:
            self._put_together()
        return emptied

    def _forget(self, name: str) -> None:
        for known in (self._told, self._changed, self._parts, self._heard_at):
            known.pop(name, None)

    def _put_together(self) -> None:
        parts = sorted(self._parts.values(), key=lambda state: (len(state.people), state.at), reverse=True)
        for empty in [part for part in parts[1:] if not part.people]:
            self._forget(empty.sfu)
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
            recording_trouble=next((part.recording_trouble for part in parts if part.recording_trouble), None),
            spoken={
                str(number): part.spoken[str(number)]
                for number, (_, part) in people.items()
                if str(number) in part.spoken
            },
        )


def _changed(state: VoiceState, change: VoiceChange) -> VoiceState:
    """The people of one, and what they do of the other. `version` stays that of the people."""
    speaking = frozenset(change.speaking)
    return msgspec.structs.replace(
        state,
        at=change.at,
        people=[
            person
            if person.speaking == (person.number in speaking)
            else msgspec.structs.replace(person, speaking=not person.speaking)
            for person in state.people
        ],
        slots=change.slots,
        own=change.own,
        recording=change.recording,
        recording_trouble=change.recording_trouble,
        spoken={**state.spoken, **change.spoken},
    )


def _newer(person: VoicePerson, part: VoiceState, known: VoicePerson, known_part: VoiceState) -> bool:
    """Whether somebody whom two SFUs have is rather where `part` says: they moved, and one has not noticed yet."""
    if person.connected != known.connected:
        return person.connected
    return part.spoken.get(str(person.number), 0.0) < known_part.spoken.get(str(person.number), 0.0)
