"""lib0's binary encoding, read strictly: https://github.com/dmonad/lib0 (`encoding.js`, `decoding.js`).

Every length and count is checked against the bytes that are left before anything is allocated, over-long
varints are refused (no Yjs client writes one), and nesting is bounded: a decoder further down that recurses
must never be the first to meet a nested bomb.
"""

from __future__ import annotations

from msgspec import DecodeError
from msgspec.json import decode as decode_json

MAX_SAFE_INTEGER = 2**53 - 1
"""JavaScript's largest exact integer; lib0 throws above it."""

MAX_NESTING = 100
"""Depth of nested `any` values. yrs recurses natively and dies of a deep one; its JSON parser stops at 128."""


class WireError(ValueError):
    """Bytes that are no valid message or update. `offset` is where reading stopped."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(f"{what} at byte {offset}")
        self.offset = offset


class Reader:
    """A cursor over one message. Every method raises `WireError` rather than read past the end."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.pos

    def finish(self) -> None:
        """Refuse trailing bytes."""
        if self.pos != len(self.data):
            raise WireError("trailing bytes", self.pos)

    def byte(self) -> int:
        """One byte."""
        try:
            value = self.data[self.pos]
        except IndexError:
            raise WireError("truncated", self.pos) from None
        self.pos += 1
        return value

    def var_uint(self) -> int:
        """An unsigned integer of at most 53 bits, seven bits a byte, lowest first."""
        data = self.data
        pos = self.pos
        try:
            byte = data[pos]
            if byte < 0x80:
                self.pos = pos + 1
                return byte
            value = byte & 0x7F
            shift = 7
            while True:
                pos += 1
                byte = data[pos]
                value |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 49:
                    raise WireError("varint over 53 bits", self.pos)
        except IndexError:
            raise WireError("truncated varint", self.pos) from None
        if byte == 0:
            raise WireError("over-long varint", self.pos)
        if value > MAX_SAFE_INTEGER:
            raise WireError("varint over 53 bits", self.pos)
        self.pos = pos + 1
        return value

    def skip_var_int(self) -> None:
        """A signed integer: sign in bit 7 of the first byte, six bits there, seven in each that follows."""
        start = self.pos
        byte = self.byte()
        if byte & 0x80 == 0:
            return
        value = byte & 0x3F
        shift = 6
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 48:
                raise WireError("varint over 53 bits", start)
        if byte == 0:
            raise WireError("over-long varint", start)
        if value > MAX_SAFE_INTEGER:
            raise WireError("varint over 53 bits", start)

    def count(self, least_bytes_each: int) -> int:
        """A number of elements that the bytes left can hold, at `least_bytes_each` bytes apiece."""
        start = self.pos
        value = self.var_uint()
        if value * least_bytes_each > len(self.data) - self.pos:
            raise WireError(f"count {value} is more than the frame can hold", start)
        return value

    def take(self, length: int) -> bytes:
        """Exactly `length` bytes."""
        pos = self.pos
        end = pos + length
        if end > len(self.data):
            raise WireError(f"length {length} is more than the frame holds", pos)
        self.pos = end
        return self.data[pos:end]

    def var_bytes(self) -> bytes:
        """A length, then that many bytes (`varUint8Array`)."""
        return self.take(self.var_uint())

    def var_string(self) -> str:
        """A length in bytes, then UTF-8. lib0 decodes with `fatal: true`, so invalid UTF-8 would throw in clients."""
        start = self.pos
        raw = self.take(self.var_uint())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise WireError("invalid UTF-8", start) from None

    def skip_json(self) -> None:
        """A string of valid JSON: an invalid one makes `JSON.parse` throw in every client that receives it."""
        start = self.pos
        check_json(self.take(self.var_uint()), start)

    def skip_any(self, depth: int = 0) -> int:
        """One value of lib0's `any` encoding. Returns its tag."""
        if depth > MAX_NESTING:
            raise WireError(f"nested deeper than {MAX_NESTING}", self.pos)
        start = self.pos
        tag = self.byte()
        if tag in (127, 126, 121, 120):  # undefined, null, false, true
            pass
        elif tag == 125:
            self.skip_var_int()
        elif tag == 124:  # float32
            self.take(4)
        elif tag in (123, 122):  # float64, bigint64
            self.take(8)
        elif tag == 119:
            self.var_string()
        elif tag == 118:  # object: (key, value)*
            for _ in range(self.count(2)):
                self.var_string()
                self.skip_any(depth + 1)
        elif tag == 117:  # array
            for _ in range(self.count(1)):
                self.skip_any(depth + 1)
        elif tag == 116:  # Uint8Array
            self.var_bytes()
        else:
            raise WireError(f"unknown tag {tag}", start)
        return tag


def check_json(raw: bytes, offset: int = 0) -> None:
    """Raise `WireError` unless `raw` is one JSON value."""
    try:
        decode_json(raw)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("invalid JSON", offset) from error


def write_var_uint(out: bytearray, value: int) -> None:
    """Append an unsigned integer."""
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)


def write_var_bytes(out: bytearray, raw: bytes) -> None:
    """Append a length and the bytes."""
    write_var_uint(out, len(raw))
    out += raw
