"""The client that docs/protocol.md describes: a text, what the server is known to have, one edit in flight."""

from __future__ import annotations

from typing import Any

import msgspec

from collab_core.splice import spliced
from edge.live.json.difference import difference
from edge.live.json.positions import Edit, edits_of, splices_of
from edge.live.json.rebase import rebased


def merged(base: str, ours: str, theirs: str) -> str:
    """Both changes to `base`."""
    return spliced(theirs, rebased(difference(base, ours), difference(base, theirs)))


class ThinClient:
    """Sans I/O: messages in, messages out."""

    def __init__(self, file: str = "main.py") -> None:
        self.file = file
        self.text = ""
        """What its editor shows."""
        self.shadow = ""
        """What the server has."""
        self.version: str | None = None
        self.seq = 0
        self.sent: str | None = None
        """The text that was sent and is not acknowledged."""
        self.base = ""
        """The shadow that was sent from."""
        self.flight: dict[str, Any] | None = None
        self.errors: list[dict[str, Any]] = []
        self.saved = 0
        self.wholes = 0
        """Whole contents received."""
        self.partials = 0

    @property
    def idle(self) -> bool:
        return self.flight is None and self.text == self.shadow

    def send(self, *, as_edits: bool = False) -> dict[str, Any] | None:
        """What it has to say now, if anything."""
        if self.flight is not None or self.text == self.shadow or self.version is None:
            return None
        self.seq += 1
        self.sent, self.base = self.text, self.shadow
        self.flight = {"type": "CODE_UPDATE", "file": self.file, "baseVersion": self.version, "seq": self.seq}
        if as_edits:
            edits = edits_of(self.shadow, difference(self.shadow, self.text))
            self.flight["edits"] = msgspec.to_builtins(edits)
        else:
            self.flight["content"] = self.text
        return self.flight

    def receive(self, message: dict[str, Any]) -> None:
        if message["type"] == "SAVED":
            self.saved = message["seq"]
        elif message["type"] == "ERROR":
            self._refused(message)
        elif message["type"] == "CODE_UPDATE" and message["file"] == self.file:
            self._told(message)

    def _told(self, message: dict[str, Any]) -> None:
        before = self.shadow
        if "edits" in message:
            assert message["baseVersion"] == self.version, "edits count in what this client was told last"
            edits = msgspec.convert(message["edits"], list[Edit])
            self.shadow = spliced(before, splices_of(before, edits))
            self.partials += 1
        else:
            self.shadow = message["content"]
            self.wholes += 1
        self.version = message["version"]
        if self.flight is None:
            self.text = merged(before, self.text, self.shadow)
        elif message.get("ackSeq") == self.flight["seq"]:
            assert self.sent is not None
            self.text = merged(self.sent, self.text, self.shadow)
            self.sent = self.flight = None

    def _refused(self, message: dict[str, Any]) -> None:
        self.errors.append(message)
        if self.flight is None or message.get("seq") != self.flight["seq"]:
            return
        sent, self.sent, self.flight = self.sent, None, None
        if "content" in message:
            self.shadow, self.version = message["content"], message["version"]
            stale = message["code"] == "stale_version"
            base = self.shadow if sent == self.shadow else self.base
            self.text = merged(base, self.text, self.shadow) if stale else self.shadow
