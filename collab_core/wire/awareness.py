"""Entries of the awareness protocol: https://github.com/yjs/y-protocols (awareness.js).

An entry is a client id, its clock, and a JSON state; `null` means the client is gone.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import NamedTuple

from collab_core.wire.lib0 import MAX_SAFE_INTEGER, Reader, WireError, write_var_bytes, write_var_uint

REMOVED = b"null"
EMPTY = b"\x00"
"""No entries: an application message that changes nothing and keeps stock clients from giving up on the socket."""


class PresenceEntry(NamedTuple):
    """One client's presence. `state` is JSON in UTF-8, `REMOVED` when it is gone."""

    client: int
    clock: int
    state: bytes


def count_of(payload: bytes) -> int:
    """How many entries a payload says it has, without looking at them."""
    return Reader(payload).count(3)


def decode(payload: bytes) -> list[PresenceEntry]:
    """All entries. Raises `WireError` on truncated, trailing or non-JSON bytes and on a client named twice."""
    reader = Reader(payload)
    entries: list[PresenceEntry] = []
    seen: set[int] = set()
    for _ in range(reader.count(3)):
        client = reader.var_uint()
        if client in seen:
            raise WireError(f"client {client} twice in an awareness message", reader.pos)
        seen.add(client)
        clock = reader.var_uint()
        if clock >= MAX_SAFE_INTEGER:  # the owner could never raise it again
            raise WireError("awareness clock at its end", reader.pos)
        at = reader.pos
        state = reader.var_bytes()
        _check_json(state, at)
        entries.append(PresenceEntry(client, clock, REMOVED if state.strip() == REMOVED else state))
    reader.finish()
    return entries


def encode(entries: Collection[PresenceEntry]) -> bytes:
    """The inverse of `decode`."""
    out = bytearray()
    write_var_uint(out, len(entries))
    for client, clock, state in entries:
        write_var_uint(out, client)
        write_var_uint(out, clock)
        write_var_bytes(out, state)
    return bytes(out)


def encode_client(client: int) -> bytes:
    """A client id as it stands inside a payload."""
    out = bytearray()
    write_var_uint(out, client)
    return bytes(out)


def _check_json(raw: bytes, offset: int) -> None:
    """JavaScript's `JSON.parse` is the measure, not an engine's: a preview cut inside an emoji ends in half of a
    surrogate pair, which `JSON.stringify` escapes and stricter parsers refuse."""
    try:
        json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("invalid JSON", offset) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
