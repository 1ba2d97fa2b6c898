"""A room's files: root texts `file/PATH`, and the root map `files` with what is known about each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

FILE_ROOT: Final = "file/"
"""Before a path: the name of the root text with that file's code."""
FILES_MAP: Final = "files"
"""The root map: path -> {language, order}."""
LANGUAGE_CHARACTERS: Final = 50


class File(msgspec.Struct, frozen=True, rename="camel"):
    """A file of a room. `size` is in UTF-16 code units; files without an `order` come last, by path."""

    path: str
    language: str | None
    order: float | None
    size: int


def files_of(described: Mapping[str, Any] | None, texts: Mapping[str, str]) -> list[File]:
    """The files that the map names, and those that hold any text though it does not, in their order. The map is written
    by clients: what is not of its shape is ignored."""
    described = described or {}
    files = []
    for path in {*described, *(path for path, text in texts.items() if text)}:
        about = described.get(path)
        about = about if isinstance(about, Mapping) else {}
        language, order = about.get("language"), about.get("order")
        files.append(
            File(
                path,
                language[:LANGUAGE_CHARACTERS] if isinstance(language, str) else None,
                float(order) if isinstance(order, int | float) and math.isfinite(order) else None,
                len(texts.get(path, "").encode("utf-16-le")) // 2,
            )
        )
    return sorted(files, key=lambda file: (file.order is None, file.order or 0.0, file.path))
