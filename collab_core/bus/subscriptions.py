"""Which channels are to be heard, and what Redis has to be told so that they are. Pure.

Redis answers each channel of each SUBSCRIBE and UNSUBSCRIBE once, in order. So a channel is heard for sure when the
last it was told was to subscribe, and nothing is left to be answered; however quickly somebody goes and comes again.
"""

from __future__ import annotations

from dataclasses import dataclass

from collab_core.bus.port import Heard

Command = tuple[bytes, list[bytes]]
"""SUBSCRIBE or UNSUBSCRIBE, and the channels."""


@dataclass(slots=True)
class _Channel:
    heard: Heard | None
    """Who is told what comes; `None` if nobody wants to hear it any more."""
    told: bool = False
    """Whether Redis was last told to subscribe it."""
    unanswered: int = 0


class Subscriptions:
    """The channels of one connection, and of the next one after it."""

    def __init__(self) -> None:
        self._channels: dict[bytes, _Channel] = {}
        self._changed: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def want(self, channel: bytes, heard: Heard) -> None:
        """Hear a channel; whoever heard it before does not any more. What is wanted last is told last."""
        known = self._channels.get(channel)
        if known is None:
            self._channels[channel] = _Channel(heard)
        else:
            known.heard = heard
        self._changed.pop(channel, None)
        self._changed[channel] = None

    def unwant(self, channel: bytes) -> None:
        """From now on nobody is told what comes on this channel."""
        known = self._channels.get(channel)
        if known is not None:
            known.heard = None
            self._changed[channel] = None

    def heard(self, channel: bytes) -> Heard | None:
        """Who hears this channel."""
        known = self._channels.get(channel)
        return known.heard if known is not None else None

    def confirmed(self, channel: bytes) -> bool:
        """Whether Redis is known to send this channel."""
        known = self._channels.get(channel)
        return known is not None and known.told and not known.unanswered

    def commands(self, most: int) -> list[Command]:
        """What Redis has to be told now, in this order, of at most `most` channels each. It counts as told."""
        commands: list[Command] = []
        for name in self._changed:
            channel = self._channels.get(name)
            if channel is None:
                continue
            wanted = channel.heard is not None
            if wanted == channel.told:
                self._forget(name, channel)
                continue
            channel.told = wanted
            channel.unanswered += 1
            verb = b"SUBSCRIBE" if wanted else b"UNSUBSCRIBE"
            if not commands or commands[-1][0] != verb or len(commands[-1][1]) == most:
                commands.append((verb, []))
            commands[-1][1].append(name)
        self._changed.clear()
        return commands

    def answered(self, name: bytes) -> bool:
        """Redis answered for one channel. Returns whether it is confirmed by that."""
        channel = self._channels.get(name)
        if channel is None or not channel.unanswered:
            return False
        channel.unanswered -= 1
        self._forget(name, channel)
        return channel.told and not channel.unanswered

    def begin(self) -> None:
        """A new connection: nothing is subscribed there, and no answer of the former one will come."""
        for name, channel in list(self._channels.items()):
            channel.told = False
            channel.unanswered = 0
            self._forget(name, channel)
        self._changed = dict.fromkeys(self._channels)

    def _forget(self, name: bytes, channel: _Channel) -> None:
        if channel.heard is None and not channel.told and not channel.unanswered:
            del self._channels[name]
