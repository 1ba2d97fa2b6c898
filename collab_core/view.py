"""The room's document as others may see it: trusted only while it agrees with the log's bytes.

Answers come from the document while it is sound and from merged bytes otherwise, each encoded once per
version and shared: fifty newcomers cost one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collab_core.document import Document, difference
from collab_core.engine import EngineRefused
from collab_core.log import RoomLog
from collab_core.metrics import EngineMetrics
from collab_core.places import Places
from collab_core.relative_position import RelativePosition
from collab_core.splice import Splice
from collab_core.wire import frames
from collab_core.wire.messages import encode_state_vector, sync_step1, sync_step2

CACHED_REPLIES = 8
"""Different state vectors answered from the cache: newcomers share the empty one, a reconnect storm a few."""

_State = frozenset[tuple[int, int]]


class View:
    """A document over a log, rebuilt from it whenever it fails."""

    def __init__(self, log: RoomLog, document: Document | None, metrics: EngineMetrics) -> None:
        self._log = log
        self._document = document
        self._metrics = metrics
        self._places = Places(log)
        self._version = -1
        self._sound = False
        self._replies: dict[_State, bytes] = {}
        self._question: bytes | None = None

    @property
    def usable(self) -> bool:
        """Whether there is a document that can judge edits."""
        return self._document is not None

    def take(self, update: bytes) -> None:
        """Let the engine integrate an update, before anyone else sees it. After `EngineRefused` the document is a
        new one, built from the log, and the update is in neither."""
        document = self._there()
        try:
            document.apply(update)
        except EngineRefused:
            self._rebuild()
            raise

    def compose(self, name: str, splices: Sequence[Splice]) -> bytes:
        """Change a root text on behalf of somebody without a document; the update that did it, which the log does not
        hold yet. Raises `EngineRefused` as `take` does, and `ValueError` for splices that do not fit."""
        document = self._there()
        try:
            return document.compose(name, splices)
        except EngineRefused:
            self._rebuild()
            raise

    def text(self, name: str) -> str:
        """The text of a root type. Raises `EngineRefused` if no document agrees with the bytes."""
        return self._there().text(name)

    def texts(self, prefix: str) -> list[str]:
        """The names of root types that begin with `prefix` and hold any text. Raises as `text` does."""
        return self._there().texts(prefix)

    def entries(self, name: str, most: int) -> dict[str, Any]:
        """What a root map holds, at most `most` entries of it. Raises as `text` does."""
        return self._there().entries(name, most)

    def relative(self, root: str, text: str, unit: int) -> RelativePosition | None:
        """As `Places.relative`."""
        return None if self._document is None else self._places.relative(self._document, root, text, unit)

    def unit_of(self, root: str, text: str, position: RelativePosition) -> int | None:
        """As `Places.unit_of`."""
        return None if self._document is None else self._places.unit_of(self._document, root, text, position)

    def question(self) -> bytes:
        """A ready-made SyncStep1 frame: what the room has."""
        self._refresh()
        if self._question is None:
            self._question = frames.encode(frames.BINARY, sync_step1(self._log.state))
        return self._question

    def reply(self, state: dict[int, int]) -> bytes:
        """A ready-made SyncStep2 frame with everything a member at `state` lacks at this moment."""
        self._refresh()
        self._metrics.sync_replies += 1
        # What a member has that the room has not changes nothing about the answer, and a forged vector of many
        # clients, or of clocks that the engine would cut to 32 bits, must not reach the cache or the engine.
        state = self._known_part(state)
        key = frozenset(state.items())
        frame = self._replies.get(key)
        if frame is None:
            if len(self._replies) >= CACHED_REPLIES:
                del self._replies[next(iter(self._replies))]
            frame = self._replies[key] = frames.encode(frames.BINARY, sync_step2(self._encode_since(state)))
            self._metrics.sync_replies_encoded += 1
        return frame

    def difference(self, state: dict[int, int]) -> bytes:
        """The update that brings everything another node at `state` lacks at this moment."""
        self._refresh()
        return self._encode_since(self._known_part(state))

    def _known_part(self, state: dict[int, int]) -> dict[int, int]:
        known = self._log.state
        return {client: min(clock, known[client]) for client, clock in state.items() if clock and client in known}

    def folded(self) -> bytes:
        """The flushed log as one base. The document's encoding may take its place only when its state vector and
        delete set are equal to what the bytes hold."""
        self._refresh()
        if self._sound and self._document is not None and self._document.deleted() == self._log.deleted:
            try:
                return self._document.encode()
            except EngineRefused:
                self._rebuild()
        return self._log.whole()

    def _encode_since(self, state: dict[int, int]) -> bytes:
        halves = self._log.halves
        # A state vector that ends inside a surrogate pair would make the engine cut it: send the whole pair again.
        whole = {client: clock - (clock in halves.get(client, ())) for client, clock in state.items()}
        if self._sound and self._document is not None:
            try:
                return self._document.encode_since(encode_state_vector(whole)) if whole else self._document.encode()
            except EngineRefused:
                self._rebuild()
        merged = self._log.whole()
        return difference(merged, encode_state_vector(whole)) if whole else merged

    def _refresh(self) -> None:
        """Forget what belongs to an older version, and look again whether the document agrees with the bytes."""
        if self._version == self._log.version:
            return
        self._version = self._log.version
        self._replies.clear()
        self._question = None
        self._sound = self._agrees()
        if not self._sound:
            self._rebuild()

    def _there(self) -> Document:
        if self._document is None:
            raise EngineRefused("no document agrees with the room's bytes")
        return self._document

    def _agrees(self) -> bool:
        return self._document is not None and self._document.state() == self._log.state

    def _rebuild(self) -> None:
        self._metrics.engine_faults += 1
        try:
            self._document = Document(self._log.whole())
        except EngineRefused:
            self._document = None
        self._version = self._log.version
        self._sound = self._agrees()
        self._replies.clear()
        self._question = None
