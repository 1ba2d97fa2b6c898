"""What becomes of edits that others were faster than, as `docs/vectors/code-updates.json` has it. The results are
written down by hand: they are what was meant, not what the server happens to do."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def rows() -> list[Row]:
    """`base` is what the client's edit was made to, `meanwhile` what the file became since, one content after another;
    then the client's `content` (or `edits`, in UTF-16 units of the base) arrives, with its cursor if it says one, and
    the file is `result`."""
    return [
        _row("nobody else", "ab\n", [], {"content": "aXb\n"}, "aXb\n"),
        _row("others typed before", "one\ntwo\n", ["0\none\ntwo\n"], {"content": "one\ntwo!\n"}, "0\none\ntwo!\n"),
        _row("others typed behind", "one\ntwo\n", ["one\ntwo\n3\n"], {"content": "ONE\ntwo\n"}, "ONE\ntwo\n3\n"),
        _row("others typed twice", "a\n", ["a\nb\n", "a\nb\nc\n"], {"content": "A\n"}, "A\nb\nc\n"),
        _row("both deleted the same", "one two three", ["one three"], {"content": "one three"}, "one three"),
        _row("others deleted around it", "one two three", ["one "], {"content": "one tXwo three"}, "one X"),
        _row("a cursor says which of four", "aaaa", ["aaaab"], {
            "content": "aaaaa", "position": {"line": 0, "column": 2},
        }, "aaaaab"),
        _row("emoji count as two", "😀\n", ["é😀\n"], {"edits": [{"from": 2, "to": 2, "insert": "!"}]}, "é😀!\n"),
        _row("an emoji becomes another, half of it the same", "😀\n", ["😀\nx\n"], {"content": "😁\n"}, "😁\nx\n"),
        _row("several edits count in one base", "abc\n", ["abc\nd\n"], {
            "edits": [{"from": 0, "to": 1, "insert": "A"}, {"from": 2, "to": 3, "insert": "C"}],
        }, "AbC\nd\n"),
    ]  # fmt: skip


def _row(name: str, base: str, meanwhile: list[str], update: Row, result: str) -> Row:
    return {"name": name, "base": base, "meanwhile": meanwhile, "update": update, "result": result}
