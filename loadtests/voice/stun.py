"""The little STUN a controlling ICE client needs towards a lite server: RFC 8489 and RFC 8445."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import struct
from typing import Final

COOKIE: Final = 0x2112A442
BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111
HEADER_BYTES: Final = 20

_USERNAME: Final = 0x0006
_INTEGRITY: Final = 0x0008
_XOR_MAPPED: Final = 0x0020
_PRIORITY: Final = 0x0024
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_CONTROLLING: Final = 0x802A
_FINGERPRINT_XOR: Final = 0x5354554E

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_HOST_PRIORITY: Final = (110 << 24) | (65_535 << 8) | 255
"""Of a peer-reflexive candidate made from our only host candidate."""


def kind(data: bytes) -> int:
    """The message type of what looks like STUN; -1 if it does not."""
    if len(data) < HEADER_BYTES or _HEADER.unpack_from(data)[2] != COOKIE:
        return -1
    return int.from_bytes(data[:2], "big")


def transaction(data: bytes) -> bytes:
    """The transaction id of a message that `kind` knows."""
    return data[8:HEADER_BYTES]


def binding_request(username: str, password: str, tie_breaker: bytes, *, nominate: bool = True) -> tuple[bytes, bytes]:
    """A check as the controlling side sends it (and again as consent, RFC 7675): the transaction id and the bytes."""
    number = os.urandom(12)
    attributes = _attribute(_USERNAME, username.encode()) + _attribute(_PRIORITY, _HOST_PRIORITY.to_bytes(4, "big"))
    attributes += _attribute(_CONTROLLING, tie_breaker)
    if nominate:
        attributes += _attribute(_USE_CANDIDATE, b"")
    return number, _sealed(BINDING_REQUEST, number, attributes, password)


def binding_success(request: bytes, address: tuple[str, int], password: str) -> bytes:
    """The answer to the server's own check that came from `address` (IPv4)."""
    port = address[1] ^ (COOKIE >> 16)
    host = bytes(int(part) for part in address[0].split("."))
    mapped = bytes(a ^ b for a, b in zip(host, COOKIE.to_bytes(4, "big"), strict=True))
    attributes = _attribute(_XOR_MAPPED, struct.pack("!xBH", 1, port) + mapped)
    return _sealed(BINDING_SUCCESS, transaction(request), attributes, password)


def authentic(data: bytes, password: str) -> bool:
    """Whether MESSAGE-INTEGRITY is there and made with `password`."""
    at = HEADER_BYTES
    while at + 4 <= len(data):
        attribute, length = _ATTRIBUTE.unpack_from(data, at)
        if attribute == _INTEGRITY:
            head = data[:2] + (at - HEADER_BYTES + 24).to_bytes(2, "big") + data[4:at]
            made = hmac.new(password.encode(), head, hashlib.sha1).digest()
            return hmac.compare_digest(made, data[at + 4 : at + 24])
        at += 4 + length + (-length % 4)
    return False


def _attribute(number: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(number, len(value)) + value + bytes(-len(value) % 4)


def _sealed(message: int, number: bytes, attributes: bytes, password: str) -> bytes:
    """With MESSAGE-INTEGRITY and FINGERPRINT, each over a header whose length counts up to its own end."""
    head = _HEADER.pack(message, len(attributes) + 24, COOKIE, number)
    integrity = hmac.new(password.encode(), head + attributes, hashlib.sha1).digest()
    attributes += _attribute(_INTEGRITY, integrity)
    head = _HEADER.pack(message, len(attributes) + 8, COOKIE, number)
    fingerprint = binascii.crc32(head + attributes) ^ _FINGERPRINT_XOR
    return head + attributes + _attribute(_FINGERPRINT, fingerprint.to_bytes(4, "big"))
