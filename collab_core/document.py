"""The engine's document: a view of a room's bytes that validates updates, answers what the text is, and encodes.

It is never the truth. pycrdt can panic on a forged update and is then changed and no longer equal to its own
encoding, so a document that refused or panicked is poisoned: it is thrown away and rebuilt from the log.
pycrdt objects belong to one thread, and so does this.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pycrdt import Assoc, Doc, Map, StickyIndex, Text
from pycrdt import get_update as diff_update

from collab_core.engine import EngineRefused, panics_as_refusals, refuse
from collab_core.relative_position import Item
from collab_core.splice import Splice, check
from collab_core.wire.id_ranges import DeleteSet, IdRanges
from collab_core.wire.messages import EMPTY_UPDATE, decode_state_vector
from collab_core.wire.update import walk


class Document:
    """One live pycrdt document. After `EngineRefused` from any method it must not be used any more."""

    def __init__(self, update: bytes = EMPTY_UPDATE) -> None:
        self._doc: Doc[Any] = Doc()
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
            text = self._text(name)
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
            return str(self._text(name))

    def texts(self, prefix: str) -> list[str]:
        """The names of root types that begin with `prefix` and hold any text."""
        with panics_as_refusals():
            names = [name for name in self._doc.keys() if name.startswith(prefix)]  # noqa: SIM118 - a Doc is no mapping
            return [name for name in names if len(self._text(name))]

    def entries(self, name: str, most: int) -> dict[str, Any]:
        """What a root map holds, at most `most` entries of it; `None` for what is no JSON. Clients write it, and
        anything may be there."""
        with panics_as_refusals():
            root = self._doc.get(name, type=Map)
            return {key: _value(root, key) for key in islice(root.keys(), most)}

    def length(self, name: str) -> int:
        """The length of a root text in bytes of UTF-8; what is embedded in it counts, too."""
        with panics_as_refusals():
            return len(self._text(name))

    def item_at(self, name: str, at: int) -> Item:
        """The id of the character at byte `at`, which must be inside a root text of nothing but ASCII."""
        with panics_as_refusals():
            item = self._text(name).sticky_index(at, Assoc.AFTER).to_json()["item"]
            return item["client"], item["clock"]

    def unit_of(self, name: str, item: Item) -> int:
        """The byte at which a character stands that is in a root text of nothing but ASCII. Raises `EngineRefused` for
        an id that the document does not have; it has not changed by that."""
        client, clock = item
        with panics_as_refusals():
            place = {"item": {"client": client, "clock": clock}, "assoc": 0}
            return StickyIndex.from_json(place, self._text(name)).get_index()

    def _text(self, name: str) -> Text:
        text: Text = self._doc.get(name, type=Text)
        return text


def _value(root: Map[Any], key: str) -> object:
    try:
        with panics_as_refusals():
            value = root[key]
            return value.to_py() if isinstance(value, Map) else value
    except EngineRefused:
        return None


def delete_set_of(update: bytes) -> DeleteSet:
    """The delete set of an update, as ranges."""
    return {client: IdRanges(ranges) for client, ranges in walk(update).deletes.items()}


def difference(update: bytes, state_vector: bytes) -> bytes:
    """What a peer at `state_vector` lacks of `update`, worked out on bytes, without a document."""
    with panics_as_refusals():
        return diff_update(update, state_vector)
