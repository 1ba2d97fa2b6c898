"""The engine's document: a view of a room's bytes that validates updates, answers what the text is, and encodes.

It is never the truth. pycrdt can panic on a forged update and is then changed and no longer equal to its own
encoding, so a document that refused or panicked is poisoned: it is thrown away and rebuilt from the log.
pycrdt objects belong to one thread, and so does this.
"""

from __future__ import annotations

from collections.abc import Sequence

from pycrdt import Doc, Text
from pycrdt import get_update as diff_update

from collab_core.engine import panics_as_refusals, refuse
from collab_core.splice import Splice, check
from collab_core.wire.id_ranges import DeleteSet, IdRanges
from collab_core.wire.messages import EMPTY_UPDATE, decode_state_vector
from collab_core.wire.update import walk


class Document:
    """One live pycrdt document. After `EngineRefused` from any method it must not be used any more."""

    def __init__(self, update: bytes = EMPTY_UPDATE) -> None:
        self._doc: Doc[Text] = Doc()
        if update != EMPTY_UPDATE:
            self.apply(update)

    def apply(self, update: bytes) -> None:
        """Integrate an update whose dependencies are all there. Raises `EngineRefused`."""
        try:
            self._doc.apply_update(update)
        except BaseException as error:  # inline, not `panics_as_refusals`: this is on the way of every edit
            refuse(error)

    def state(self) -> dict[int, int]:
        """The state vector."""
        with panics_as_refusals():
            return decode_state_vector(self._doc.get_state())

    def deleted(self) -> DeleteSet:
        """All deleted ranges."""
        with panics_as_refusals():
            return delete_set_of(self._doc.get_update(self._doc.get_state()))

    def encode(self) -> bytes:
        """The whole document as one update, deleted content collected."""
        with panics_as_refusals():
            return self._doc.get_update()

    def encode_since(self, state_vector: bytes) -> bytes:
        """What a peer at `state_vector` lacks, and the whole delete set."""
        with panics_as_refusals():
            return self._doc.get_update(state_vector)

    def compose(self, name: str, splices: Sequence[Splice]) -> bytes:
        """Change a root text as this document's own author; the update that does the same elsewhere. Raises
        `EngineRefused`, and `ValueError` (nothing is changed) for splices that do not fit."""
        with panics_as_refusals():
            text = self._doc.get(name, type=Text)
            before = str(text)
        check(splices, len(before))
        made: list[bytes] = []
        with panics_as_refusals():
            subscription = self._doc.observe(lambda event: made.append(event.update))
            try:
                with self._doc.transaction():
                    # From the end: what stands before keeps its place. pycrdt counts bytes of UTF-8.
                    for splice in reversed(splices):
                        start = len(before[: splice.start].encode())
                        end = start + len(before[splice.start : splice.end].encode())
                        if end > start:
                            del text[start:end]
                        if splice.insert:
                            text.insert(start, splice.insert)
            finally:
                self._doc.unobserve(subscription)
        return made[0] if made else EMPTY_UPDATE

    def text(self, name: str) -> str:
        """The text of a root type; `""` if there is none of that name."""
        with panics_as_refusals():
            return str(self._doc.get(name, type=Text))


def delete_set_of(update: bytes) -> DeleteSet:
    """The delete set of an update, as ranges."""
    return {client: IdRanges(ranges) for client, ranges in walk(update).deletes.items()}


def difference(update: bytes, state_vector: bytes) -> bytes:
    """What a peer at `state_vector` lacks of `update`, worked out on bytes, without a document."""
    with panics_as_refusals():
        return diff_update(update, state_vector)
