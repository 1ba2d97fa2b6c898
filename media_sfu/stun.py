"""STUN messages as ICE uses them: RFC 8489 with short-term credentials, and the attributes of RFC 8445.

Only HMAC-SHA1 (MESSAGE-INTEGRITY): it is what ICE speaks. What stands behind it is read only if it is FINGERPRINT, so
nothing unauthenticated is ever seen as an attribute.
"""

from __future__ import annotations

import hmac
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final
from zlib import crc32

Address = tuple[str, int]

COOKIE: Final = 0x2112A442
BINDING: Final = 1
# Bytes. ICE messages have some 100; a longer one than a datagram of Ethernet is only there to cost time.
MOST: Final = 1_500
# Bytes of USERNAME (RFC 8489 14.3).
USERNAME_MOST: Final = 513

_COOKIE_BYTES: Final = COOKIE.to_bytes(4, "big")
_FINGERPRINT_XOR: Final = 0x5354554E
_HEADER: Final = struct.Struct(">HHI")
_PAIR: Final = struct.Struct(">HH")
_V4_IN_V6: Final = bytes(10) + b"\xff\xff"


class Klass(IntEnum):
    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    FAILURE = 3


class Attribute(IntEnum):
    USERNAME = 0x0006
    INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    FINGERPRINT = 0x8028
    CONTROLLED = 0x8029
    CONTROLLING = 0x802A


# Plain ints: looking a member of the enumeration up costs more than the comparison it is for.
_USERNAME: Final = int(Attribute.USERNAME)
_INTEGRITY: Final = int(Attribute.INTEGRITY)
_ERROR_CODE: Final = int(Attribute.ERROR_CODE)
_UNKNOWN_ATTRIBUTES: Final = int(Attribute.UNKNOWN_ATTRIBUTES)
_XOR_MAPPED_ADDRESS: Final = int(Attribute.XOR_MAPPED_ADDRESS)
_PRIORITY: Final = int(Attribute.PRIORITY)
_USE_CANDIDATE: Final = int(Attribute.USE_CANDIDATE)
_FINGERPRINT: Final = int(Attribute.FINGERPRINT)
_CONTROLLED: Final = int(Attribute.CONTROLLED)
_CONTROLLING: Final = int(Attribute.CONTROLLING)

_KLASSES: Final = (Klass.REQUEST, Klass.INDICATION, Klass.SUCCESS, Klass.FAILURE)
_UNDERSTOOD: Final = frozenset(int(attribute) for attribute in Attribute)
_LENGTHS: Final[Mapping[int, int]] = {
    _INTEGRITY: 20,
    _PRIORITY: 4,
    _USE_CANDIDATE: 0,
    _FINGERPRINT: 4,
    _CONTROLLED: 8,
    _CONTROLLING: 8,
}
_INTEGRITY_HEAD: Final = _PAIR.pack(_INTEGRITY, 20)
_FINGERPRINT_HEAD: Final = _PAIR.pack(_FINGERPRINT, 4)


class StunError(ValueError):
    """These bytes are no STUN message this program reads: drop them."""


@dataclass(frozen=True, slots=True)
class Message:
    """A STUN message. `attributes`: the first of each type, those behind MESSAGE-INTEGRITY left out but FINGERPRINT."""

    method: int
    klass: Klass
    transaction: bytes
    attributes: Mapping[int, bytes]
    # Where MESSAGE-INTEGRITY begins in `raw`, 0 without one.
    integrity_at: int = field(default=0, repr=False)
    raw: bytes = field(default=b"", repr=False)

    def authentic(self, password: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is there and was made with `password` (RFC 8489 14.5); takes constant time."""
        at = self.integrity_at
        if not at:
            return False
        # The length counts as if the message ended with this attribute.
        signed = b"%b%b%b" % (self.raw[:2], (at + 4).to_bytes(2, "big"), self.raw[4:at])
        return hmac.compare_digest(hmac.digest(password, signed, "sha1"), self.attributes[_INTEGRITY])

    @property
    def username(self) -> str | None:
        value = self.attributes.get(_USERNAME)
        return None if value is None else value.decode()

    @property
    def priority(self) -> int | None:
        return self._number(_PRIORITY)

    @property
    def use_candidate(self) -> bool:
        return _USE_CANDIDATE in self.attributes

    @property
    def controlling(self) -> int | None:
        """The tie breaker of ICE-CONTROLLING."""
        return self._number(_CONTROLLING)

    @property
    def controlled(self) -> int | None:
        """The tie breaker of ICE-CONTROLLED."""
        return self._number(_CONTROLLED)

    @property
    def fingerprint(self) -> bool:
        """Whether FINGERPRINT is there (a wrong one isn't parsed)."""
        return _FINGERPRINT in self.attributes

    @property
    def unknown(self) -> tuple[int, ...]:
        """Types that must be understood (RFC 8489 14) and are not."""
        return tuple(kind for kind in self.attributes if kind < 0x8000 and kind not in _UNDERSTOOD)

    @property
    def error(self) -> tuple[int, str] | None:
        """Code and reason of an error response."""
        value = self.attributes.get(_ERROR_CODE)
        return None if value is None else ((value[2] & 7) * 100 + value[3], value[4:].decode(errors="replace"))

    @property
    def mapped(self) -> Address | None:
        """XOR-MAPPED-ADDRESS: where the answering side saw the request come from."""
        value = self.attributes.get(_XOR_MAPPED_ADDRESS)
        if value is None:
            return None
        host = _mask(value[4:], self.transaction)
        family = socket.AF_INET if value[1] == 1 else socket.AF_INET6
        return socket.inet_ntop(family, host), int.from_bytes(value[2:4], "big") ^ (COOKIE >> 16)

    def _number(self, kind: int) -> int | None:
        value = self.attributes.get(kind)
        return None if value is None else int.from_bytes(value, "big")


def parse(data: bytes) -> Message:
    """The message that is exactly `data` (one datagram or one frame). Raises StunError."""
    size = len(data)
    if not 20 <= size <= MOST or size % 4:
        raise StunError("not the length of a STUN message")
    kind, length, cookie = _HEADER.unpack_from(data)
    if kind > 0x3FFF or cookie != COOKIE:
        raise StunError("no magic cookie: not STUN")
    if length != size - 20:
        raise StunError("the length field does not fit the message")
    attributes: dict[int, bytes] = {}
    integrity_at = 0
    at = 20
    while at < size:  # at and size are multiples of 4, so the four bytes of the attribute's head are there
        attribute, length = _PAIR.unpack_from(data, at)
        end = at + 4 + length
        if end > size:
            raise StunError("an attribute ends beyond the message")
        if integrity_at and attribute != _FINGERPRINT:
            at = (end + 3) & ~3
            continue
        value = data[at + 4 : end]
        if _LENGTHS.get(attribute, length) != length:
            raise StunError(f"attribute {attribute:#06x} has a wrong length")
        if attribute == _INTEGRITY:
            integrity_at = at
        elif attribute == _FINGERPRINT:
            if end != size:
                raise StunError("FINGERPRINT is not the last attribute")
            if int.from_bytes(value, "big") != crc32(data[:at]) ^ _FINGERPRINT_XOR:
                raise StunError("FINGERPRINT is wrong")
        elif attribute in _CHECKS:
            _CHECKS[attribute](value)
        attributes.setdefault(attribute, value)
        at = (end + 3) & ~3
    method = kind & 0x000F | (kind >> 1) & 0x0070 | (kind >> 2) & 0x0F80
    klass = _KLASSES[(kind >> 7) & 2 | (kind >> 4) & 1]
    return Message(method, klass, data[8:20], attributes, integrity_at, data)


def request(
    transaction: bytes,
    *,
    username: str,
    password: bytes,
    priority: int | None = None,
    controlling: int | None = None,
    controlled: int | None = None,
    use_candidate: bool = False,
) -> bytes:
    """A Binding request of ICE (RFC 8445 7.1). `transaction`: 12 random bytes; the roles are tie breakers (64 bits)."""
    body = _attribute(_USERNAME, username.encode())
    if priority is not None:
        body += _attribute(_PRIORITY, priority.to_bytes(4, "big"))
    if controlling is not None:
        body += _attribute(_CONTROLLING, controlling.to_bytes(8, "big"))
    if controlled is not None:
        body += _attribute(_CONTROLLED, controlled.to_bytes(8, "big"))
    if use_candidate:
        body += _attribute(_USE_CANDIDATE, b"")
    return _finished(BINDING, transaction, body, password)


def success(request: Message, address: Address, password: bytes) -> bytes:
    """The answer to a Binding request that came from `address`. Raises StunError if that is no IP address."""
    host, port = address
    family = 1
    try:
        if ":" in host:
            packed = socket.inet_pton(socket.AF_INET6, host)
            # A dual-stack socket tells IPv4 senders so; they know themselves by IPv4 only.
            if packed.startswith(_V4_IN_V6):
                packed = packed[12:]
            else:
                family = 2
        else:
            packed = socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError) as failed:
        raise StunError("the address to tell is no IP address without scope") from failed
    value = _PAIR.pack(family, port ^ (COOKIE >> 16)) + _mask(packed, request.transaction)
    body = _PAIR.pack(_XOR_MAPPED_ADDRESS, len(value)) + value
    return _finished(0x0101, request.transaction, body, password)


def failure(request: Message, code: int, reason: str, password: bytes | None) -> bytes:
    """An error answer to a Binding request; 400 and 401 go without a password (RFC 8489 9.1.3), 420 names `unknown`."""
    hundreds, rest = divmod(code, 100)
    body = _attribute(_ERROR_CODE, bytes((0, 0, hundreds, rest)) + reason.encode())
    if code == 420:
        body += _attribute(_UNKNOWN_ATTRIBUTES, b"".join(kind.to_bytes(2, "big") for kind in request.unknown[:16]))
    return _finished(0x0111, request.transaction, body, password)


def _attribute(kind: int, value: bytes) -> bytes:
    return _PAIR.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _finished(kind: int, transaction: bytes, body: bytes, password: bytes | None) -> bytes:
    if password is not None:
        signed = b"%b%b%b" % (_HEADER.pack(kind, len(body) + 24, COOKIE), transaction, body)
        body += _INTEGRITY_HEAD + hmac.digest(password, signed, "sha1")
    whole = b"%b%b%b" % (_HEADER.pack(kind, len(body) + 8, COOKIE), transaction, body)
    return whole + _FINGERPRINT_HEAD + (crc32(whole) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _mask(host: bytes, transaction: bytes) -> bytes:
    size = len(host)
    mask = (_COOKIE_BYTES + transaction)[:size]
    return (int.from_bytes(host, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def _check_username(value: bytes) -> None:
    if len(value) > USERNAME_MOST:
        raise StunError("USERNAME is too long")
    try:
        value.decode()
    except UnicodeDecodeError:
        raise StunError("USERNAME is not UTF-8") from None


def _check_mapped(value: bytes) -> None:
    if (len(value), value[1:2]) not in ((8, b"\x01"), (20, b"\x02")):
        raise StunError("XOR-MAPPED-ADDRESS is neither IPv4 nor IPv6")


def _check_error(value: bytes) -> None:
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise StunError("ERROR-CODE is no code from 300 to 699")


_CHECKS: Final = {_USERNAME: _check_username, _XOR_MAPPED_ADDRESS: _check_mapped, _ERROR_CODE: _check_error}
