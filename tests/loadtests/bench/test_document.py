"""The benchmark's large document."""

from __future__ import annotations

from pycrdt import Doc, Text

from loadtests.bench.document import typed

ROOT = "content"


def test_the_same_seed_gives_the_same_document() -> None:
    assert typed(2_000, ROOT) == typed(2_000, ROOT)
    assert typed(2_000, ROOT) != typed(2_000, ROOT, seed=1)


def test_it_holds_what_was_typed_and_what_was_taken_back() -> None:
    doc: Doc[Text] = Doc()
    doc.apply_update(typed(5_000, ROOT))
    text = str(doc.get(ROOT, type=Text))

    assert 2_500 < len(text) < 4_500
    assert "\n" in text
    # An update for someone who has every insertion still carries all the deletions.
    assert len(doc.get_update(doc.get_state())) > 100
