"""Updates written by hand, struct by struct: well-formed bytes that no Yjs client would ever send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collab_core.wire.lib0 import write_var_bytes, write_var_uint

Id = tuple[int, int]
"""(client, clock)."""

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)
"""Kinds of content, as the low five bits of a struct's first byte say them."""


def uint(value: int) -> bytes:
    out = bytearray()
    write_var_uint(out, value)
    return bytes(out)


def string(value: str | bytes) -> bytes:
    """A length and the bytes."""
    out = bytearray()
    write_var_bytes(out, value.encode() if isinstance(value, str) else value)
    return bytes(out)


def text(value: str | bytes) -> tuple[int, bytes]:
    """String content: (kind, bytes)."""
    return STRING, string(value)


def item(
    content: tuple[int, bytes],
    *,
    origin: Id | None = None,
    right: Id | None = None,
    parent: str | Id | None = "text",
    sub: str | None = None,
) -> bytes:
    """One Item. With an origin or a right origin the parent is not written, as in Yjs."""
    kind, body = content
    flags = (origin is not None) << 7 | (right is not None) << 6 | (sub is not None) << 5
    out = bytearray((kind | flags,))
    for at in (origin, right):
        if at is not None:
            out += uint(at[0]) + uint(at[1])
    if origin is None and right is None:
        if isinstance(parent, str):
            out += uint(1) + string(parent)
        elif parent is not None:
            out += uint(0) + uint(parent[0]) + uint(parent[1])
        if sub is not None:
            out += string(sub)
    return bytes(out + body)


def run(kind: int, length: int) -> bytes:
    """A GC or Skip struct."""
    return bytes((kind,)) + uint(length)


def update(
    structs: Mapping[int, tuple[int, Sequence[bytes]]] | None = None,
    deletes: Mapping[int, Sequence[tuple[int, int]]] | None = None,
) -> bytes:
    """client -> (first clock, structs), and client -> (clock, length) ranges deleted."""
    out = bytearray(uint(len(structs or {})))
    for client, (clock, brought) in (structs or {}).items():
        out += uint(len(brought)) + uint(client) + uint(clock) + b"".join(brought)
    out += uint(len(deletes or {}))
    for client, ranges in (deletes or {}).items():
        out += uint(client) + uint(len(ranges)) + b"".join(uint(clock) + uint(length) for clock, length in ranges)
    return bytes(out)
