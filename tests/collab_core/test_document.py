"""The engine's document: it validates, reads and encodes, and says so when it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlFragment

from collab_core.document import Document, delete_set_of, difference
from collab_core.engine import EngineRefused, panics_as_refusals
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.messages import EMPTY_UPDATE, encode_state_vector

HELLO = bytes.fromhex("0101070004010174 05 68656c6c6f 00".replace(" ", ""))
"""Client 7 types "hello" into the root "t"."""
LATER = bytes.fromhex("0101070584070401 21 00".replace(" ", ""))
"""... and then "!"."""
DELETE = bytes.fromhex("00010701 01 03".replace(" ", ""))
"""Takes "ell" away."""


def test_an_empty_document() -> None:
    document = Document()
    assert document.state() == {}
    assert document.deleted() == {}
    assert document.encode() == EMPTY_UPDATE
    assert document.text("t") == ""


def test_it_takes_updates_and_tells_what_it_has() -> None:
    document = Document(HELLO)
    document.apply(LATER)
    document.apply(DELETE)
    assert document.text("t") == "ho!"
    assert document.state() == {7: 6}
    assert document.deleted() == {7: IdRanges([(1, 4)])}


def test_its_encoding_is_a_document_again() -> None:
    document = Document(HELLO)
    document.apply(DELETE)
    again = Document(document.encode())
    assert (again.text("t"), again.state(), again.deleted()) == ("ho", document.state(), document.deleted())


def test_what_a_peer_lacks_and_every_deletion() -> None:
    document = Document(HELLO)
    document.apply(LATER)
    document.apply(DELETE)
    missing = document.encode_since(encode_state_vector({7: 5}))
    assert missing == bytes.fromhex("0101070584070401210107010103")
    assert document.encode_since(encode_state_vector({7: 6})) == DELETE


def test_deletions_of_an_update_are_ranges() -> None:
    assert delete_set_of(DELETE) == {7: IdRanges([(1, 4)])}
    assert delete_set_of(HELLO) == {}


def test_a_difference_is_worked_out_on_bytes() -> None:
    assert difference(HELLO, encode_state_vector({7: 3})) == bytes.fromhex(
        "0101070384070204026c6f00".replace("0204026c", "02026c")
    )
    assert difference(HELLO, encode_state_vector({})) == HELLO


@pytest.mark.parametrize(
    "update",
    [
        b"\x00",
        b"\x01\x02\x03",
        # The engine panics: an unwrap of nothing.
        bytes.fromhex("0100017800"),
        bytes.fromhex("0100010400070103786d6c0509686f6f6b2d616d6500"),
        # ... and a division by zero, with half of the update in the document.
        bytes.fromhex("010203000301056172726179050302038303000000"),
        bytes.fromhex("010203000301056172726179028303000000"),
        # It refuses a character as a parent.
        bytes.fromhex("010101090501000100017800"),
    ],
)
def test_what_the_engine_cannot_take_is_refused(update: bytes) -> None:
    document = Document(HELLO.replace(b"\x01\x01\x07", b"\x01\x01\x01"))
    with pytest.raises(EngineRefused):
        document.apply(update)


def test_an_interrupt_is_no_refusal() -> None:
    with pytest.raises(KeyboardInterrupt), panics_as_refusals():
        raise KeyboardInterrupt


def test_roots_of_other_types_can_be_asked_for_text() -> None:
    peer = Doc[Any](client_id=9)
    peer["m"] = Map({"k": 1})
    peer["a"] = Array([1, 2])
    document = Document(peer.get_update())
    for root in ("m", "a", "nothing"):
        before = document.encode()
        document.text(root)
        assert document.encode() == before


def test_text_counts_as_the_peer_wrote_it() -> None:
    peer = Doc[Any](client_id=9)
    body = peer.get("t", type=Text)
    body += "aé😀日"
    assert Document(peer.get_update()).text("t") == "aé😀日"
    assert Document(peer.get_update()).state() == {9: 5}


def test_which_root_texts_there_are() -> None:
    peer = Doc[Any](client_id=9)
    body = peer.get("file/b.py", type=Text)
    body += "x"
    empty = peer.get("file/a.py", type=Text)
    empty += "x"
    del empty[0:1]
    peer["other"] = Text("x")
    peer["file/map"] = Map({"k": 1})
    assert Document(peer.get_update()).texts("file/") == ["file/b.py"]
    assert Document().texts("file/") == []


def test_a_root_map_of_whatever_shape() -> None:
    peer = Doc[Any](client_id=9)
    files: Map[Any] = Map({})
    peer["files"] = files
    files["dict"] = {"language": "python", "order": 1}
    files["map"] = Map({"order": 2})
    files["text"] = Text("hello")
    files["fragment"] = XmlFragment()
    files["inner"] = Map({"deep": XmlFragment()})
    files["bytes"] = b"\x00"
    files["nothing"] = None
    files["gone"] = 1
    del files["gone"]
    document = Document(peer.get_update())
    entries = document.entries("files", 100)
    assert entries.keys() == {"dict", "map", "text", "fragment", "inner", "bytes", "nothing"}
    assert (entries["dict"], entries["map"]) == ({"language": "python", "order": 1.0}, {"order": 2.0})
    assert entries["inner"] is None
    assert len(document.entries("files", 3)) == 3
    assert document.state() == Document(document.encode()).state()
    assert Document(HELLO).entries("t", 10) == Document().entries("files", 10) == {}
