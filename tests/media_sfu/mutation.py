"""Texts that were a valid description before a few of their lines and characters were changed."""

from __future__ import annotations

from hypothesis import strategies as st

VALUES = ("", "0", "-1", "65536", "9" * 30, "nan", "/", "*", "\t", "²", "\u2028", "a=mid:0", "m=audio 9 RTP/SAVPF 0")


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """One to six changes: a line lost, said twice, moved, cut, or one of its words replaced."""
    lines = text.split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 4)):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case 2:
                lines[at], lines[at - 1] = lines[at - 1], lines[at]
            case 3:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case _:
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(VALUES) | st.text(max_size=8))
                lines[at] = " ".join(words)
    return draw(st.sampled_from(("\r\n", "\n"))).join(lines)
