"""Updates about texts of placeholders: the same structs, one byte for each code unit."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from collab_core.wire.lib0 import WireError
from collab_core.wire.single_bytes import in_single_bytes
from collab_core.wire.update import walk


def history() -> bytes:
    doc: Doc[Any] = Doc(client_id=7)
    text: Text = doc.get("t", type=Text)
    text += "aé😀日b"
    text.insert(3, "ü")
    del text[0:1]
    text += "plain"
    described: Map[Any] = doc.get("m", type=Map)
    described["é"] = {"ö": "日"}
    described["nested"] = Text("Ü😀")
    described["nested"] = Array(["é", 1])
    return doc.get_update()


def test_everything_is_there_and_no_string_is_wide() -> None:
    update = history()
    made = in_single_bytes(update)
    before, after = walk(update), walk(made)
    assert not after.halves
    assert after.deletes == before.deletes
    assert [[clock for clock, _ in section.marks] for section in after.sections] == [
        [clock for clock, _ in section.marks] for section in before.sections
    ]
    copy: Doc[Any] = Doc()
    copy.apply_update(made)
    # é ü 😀 日 b: one unit, one, two, one, and what was ASCII stays.
    assert str(copy.get("t", type=Text)) == "xxxxxxplain"
    assert copy.get("m", type=Map).to_py() == {"é": {"ö": "日"}, "nested": ["é", 1.0]}


def test_ascii_is_left_as_it_is() -> None:
    doc: Doc[Any] = Doc(client_id=7)
    text: Text = doc.get("t", type=Text)
    text += "plain"
    assert in_single_bytes(doc.get_update()) == doc.get_update()
    assert in_single_bytes(b"\x00\x00") == b"\x00\x00"


def test_what_is_no_update_is_refused() -> None:
    with pytest.raises(WireError):
        in_single_bytes(history()[:-3])
