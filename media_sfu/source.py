"""One participant as the others hear them: what they said lately, and whose slots it goes to."""

from __future__ import annotations

from media_sfu.frame import Frame
from media_sfu.history import History
from media_sfu.leg import Leg
from media_sfu.slot import Slot


class Source:
    """Slots are attached to it and detached from it as the room's choice changes. A slot is in one source at most."""

    __slots__ = ("history", "participant", "starting", "targets")

    def __init__(self, participant: int) -> None:
        """`participant`: the number that listeners are told as CSRC."""
        self.participant = participant
        self.history = History()
        self.targets: dict[Slot, Leg] = {}
        """Who is sent its frames, and how."""
        self.starting: dict[Slot, Leg] = {}
        """Who begins with its next one."""

    def attach(self, slot: Slot, leg: Leg) -> None:
        """From the next frame on."""
        slot.attach(self)
        self.starting[slot] = leg

    def detach(self, slot: Slot) -> None:
        """At once."""
        if self.targets.pop(slot, None) is None:
            self.starting.pop(slot, None)
        slot.detach()

    def begin(self, frame: Frame, now: float) -> None:
        """`frame` is the first for those who wait."""
        for slot, leg in self.starting.items():
            slot.begin(frame, now)
            self.targets[slot] = leg
        self.starting.clear()

    @property
    def heard(self) -> bool:
        """Whether anybody gets its frames."""
        return bool(self.targets) or bool(self.starting)
