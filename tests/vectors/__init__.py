"""Reference vectors made by real Yjs (`tests/peers/vectors.mjs`), read into values."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

FOLDER = Path(__file__).parent


class Id(msgspec.Struct, frozen=True):
    """A struct's address."""

    client: int
    clock: int


class YjsStruct(msgspec.Struct, frozen=True, rename="camel"):
    """One struct as Yjs' own decoder reads it. Lengths and clocks are UTF-16 units; `kind` is one of gc, skip, deleted,
    json, binary, string, embed, format, type, any, doc. `parent` is a root's name, an id, or None: origins tell it."""

    client: int
    clock: int
    length: int
    kind: str
    text: str | None = None
    origin: Id | None = None
    right_origin: Id | None = None
    parent: Id | str | None = None
    parent_sub: str | None = None


class YjsRange(msgspec.Struct, frozen=True):
    """Deleted clocks, `length` from `clock` on."""

    clock: int
    length: int


class YjsDeletes(msgspec.Struct, frozen=True):
    """What an update deletes of one client."""

    client: int
    ranges: list[YjsRange]


class UpdateVector(msgspec.Struct, frozen=True):
    """One update and what Yjs reads in it. `update` is raw bytes (base64 in the file)."""

    name: str
    update: bytes
    structs: list[YjsStruct]
    deletes: list[YjsDeletes]


class FrameVector(msgspec.Struct, frozen=True, rename="camel"):
    """One protocol message. Which of the optional fields is there depends on `kind`."""

    name: str
    kind: str
    frame: bytes
    update: bytes | None = None
    state_vector: list[Id] | None = None
    entries: list[dict[str, Any]] | None = None
    reason: str | None = None


class PrimitiveVector(NamedTuple):
    """One encoded value of lib0. Values JSON cannot say are tagged as in `tests/peers/values.mjs`."""

    kind: str
    value: Any
    raw: bytes


def update_vectors() -> list[UpdateVector]:
    """Updates with every content type, every shape of struct and delete set."""
    return msgspec.convert(_rows("updates.json"), list[UpdateVector])


def frame_vectors() -> list[FrameVector]:
    """Sync, awareness and auth messages."""
    return msgspec.convert(_rows("frames.json"), list[FrameVector])


def primitive_vectors() -> list[PrimitiveVector]:
    """Integers, strings, byte arrays and any-values."""
    return [
        PrimitiveVector(row["kind"], row["value"], base64.b64decode(row["bytes"])) for row in _rows("primitives.json")
    ]


def _rows(name: str) -> list[dict[str, Any]]:
    # Not msgspec's parser: it refuses half a surrogate pair, which JavaScript writes and reads.
    rows: list[dict[str, Any]] = json.loads((FOLDER / name).read_bytes())
    return rows
