"""Two states of a room's files compared, as unified diffs, in bounded time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Final, Literal, TypeAlias

import msgspec

LINES: Final = 2_000
"""Of a file, between what both versions begin and end with. More are shown as replaced altogether: comparing takes the
square of it, 2,000 against 2,000 some 0.1 s."""
CONTEXT: Final = 3
"""Lines shown around a change."""

Opcode: TypeAlias = tuple[str, int, int, int, int]
"""What `difflib` calls one: equal, replace, delete or insert, then from and to, old and new."""


class FileChange(msgspec.Struct, frozen=True):
    """How a file differs: a unified diff, without the names of files."""

    file: str
    change: Literal["ADDED", "REMOVED", "CHANGED"]
    diff: str


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> list[FileChange]:
    """The files that differ, by path."""
    changes = []
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        kind: Literal["ADDED", "REMOVED", "CHANGED"] = (
            "ADDED" if before is None else "REMOVED" if after is None else "CHANGED"
        )
        changes.append(FileChange(path, kind, unified(before or "", after or "")))
    return changes


def unified(old: str, new: str) -> str:
    """The hunks of a unified diff; `""` if the texts are equal."""
    before, after = _lines(old), _lines(new)
    matcher: SequenceMatcher[str] = SequenceMatcher(None, [], [], autojunk=False)
    matcher.opcodes = _opcodes(before, after)  # type: ignore[attr-defined]  # its grouping, with bounded work
    return "".join(line for group in matcher.get_grouped_opcodes(CONTEXT) for line in _hunk(group, before, after))


def _lines(text: str) -> list[str]:
    """With their ends. Only a line feed ends one, as in every diff."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _opcodes(old: list[str], new: list[str]) -> list[Opcode]:
    most = min(len(old), len(new))
    first = next((at for at in range(most) if old[at] != new[at]), most)
    last = next((at for at in range(most - first) if old[-1 - at] != new[-1 - at]), most - first)
    old_end, new_end = len(old) - last, len(new) - last
    codes: list[Opcode] = [("equal", 0, first, 0, first)] if first else []
    if max(old_end, new_end) - first <= LINES:
        middle = SequenceMatcher(None, old[first:old_end], new[first:new_end], autojunk=True)
        codes += [(tag, first + i1, first + i2, first + j1, first + j2) for tag, i1, i2, j1, j2 in middle.get_opcodes()]
    else:
        codes.append(("replace", first, old_end, first, new_end))
    return [*codes, ("equal", old_end, len(old), new_end, len(new))] if last else codes


def _hunk(group: list[Opcode], old: list[str], new: list[str]) -> Iterator[str]:
    first, end = group[0], group[-1]
    yield f"@@ -{_range(first[1], end[2])} +{_range(first[3], end[4])} @@\n"
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            yield from _marked(" ", old[i1:i2])
        else:
            yield from _marked("-", old[i1:i2])
            yield from _marked("+", new[j1:j2])


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _range(start: int, end: int) -> str:
    """Lines count from 1; nothing stands behind the line before it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
