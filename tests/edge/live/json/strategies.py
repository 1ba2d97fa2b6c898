"""Texts and splices as hypothesis draws them: mostly of few different characters, where mistakes show."""

from __future__ import annotations

from hypothesis import strategies as st

from collab_core.splice import Splice

ALPHABET = "ab \n({é€😀👍"
texts = st.text(ALPHABET, max_size=40)
INSERTS = st.text(ALPHABET, max_size=4)


@st.composite
def splices_for(draw: st.DrawFn, text: str, inserts: st.SearchStrategy[str] = INSERTS) -> list[Splice]:
    """Splices that fit `text`, none of which does nothing."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(places[::2], places[1::2], strict=False))
    made = [Splice(start, end, draw(inserts)) for start, end in pairs]
    return [splice for splice in made if splice.insert or splice.end > splice.start]
