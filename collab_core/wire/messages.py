"""The frames of the y-websocket protocol: https://github.com/yjs/y-protocols (PROTOCOL.md).

One frame carries one message; stock clients read no further than the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from collab_core.wire.lib0 import Reader, WireError, write_var_bytes, write_var_uint

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = range(4)
STEP1, STEP2, UPDATE = range(3)

EMPTY_UPDATE = b"\x00\x00"
"""No structs, no deletions."""


class SyncStep1(NamedTuple):
    """ "This is what I have": the next clock expected of each client."""

    state: dict[int, int]


class SyncStep2(NamedTuple):
    """The answer to a SyncStep1: everything the asker lacks, and all deletions."""

    update: bytes


class Update(NamedTuple):
    """An edit, as it happens."""

    update: bytes


class Awareness(NamedTuple):
    """Presence entries, not decoded yet (`collab_core.wire.awareness`)."""

    payload: bytes


class QueryAwareness(NamedTuple):
    """ "Tell me everyone's presence"."""


Message = SyncStep1 | SyncStep2 | Update | Awareness | QueryAwareness


def parse(frame: bytes) -> Message:
    """One frame from a client. Raises `WireError` on anything but exactly one known message."""
    reader = Reader(frame)
    kind = reader.var_uint()
    if kind == SYNC:
        step = reader.var_uint()
        body = reader.var_bytes()
        reader.finish()
        if step == UPDATE:
            return Update(body)
        if step == STEP2:
            return SyncStep2(body)
        if step == STEP1:
            return SyncStep1(decode_state_vector(body))
        raise WireError(f"unknown sync message {step}", 1)
    if kind == AWARENESS:
        body = reader.var_bytes()
        reader.finish()
        return Awareness(body)
    if kind == QUERY_AWARENESS:
        reader.finish()
        return QueryAwareness()
    raise WireError(f"unknown message {kind}", 0)


def decode_state_vector(raw: bytes) -> dict[int, int]:
    """Client id -> next clock expected. Two entries for one client are refused."""
    reader = Reader(raw)
    state: dict[int, int] = {}
    for _ in range(reader.count(2)):
        client = reader.var_uint()
        if client in state:
            raise WireError(f"client {client} twice in a state vector", reader.pos)
        state[client] = reader.var_uint()
    reader.finish()
    return state


def encode_state_vector(state: Mapping[int, int]) -> bytes:
    """The inverse of `decode_state_vector`. The order of clients carries no meaning: compare as maps."""
    out = bytearray()
    write_var_uint(out, len(state))
    for client, clock in state.items():
        write_var_uint(out, client)
        write_var_uint(out, clock)
    return bytes(out)


def sync_step1(state: Mapping[int, int]) -> bytes:
    """A SyncStep1 frame."""
    return _frame(STEP1, encode_state_vector(state))


def sync_step2(update: bytes) -> bytes:
    """A SyncStep2 frame."""
    return _frame(STEP2, update)


def update_frame(update: bytes) -> bytes:
    """An Update frame."""
    return _frame(UPDATE, update)


def awareness_frame(payload: bytes) -> bytes:
    """An Awareness frame around already encoded entries."""
    out = bytearray((AWARENESS,))
    write_var_bytes(out, payload)
    return bytes(out)


def _frame(step: int, body: bytes) -> bytes:
    out = bytearray((SYNC, step))
    write_var_bytes(out, body)
    return bytes(out)
