"""Ogg pages (RFC 3533) with Opus in them (RFC 7845): packets in, bytes out, and the whole pages of a torn file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

FIRST: Final = 2
LAST: Final = 4
"""Flags of a page: begin and end of the stream (RFC 3533 section 6)."""
MOST_LACING: Final = 255
"""Lacing values of a page: its header counts them in one byte."""

_HEADER: Final = struct.Struct("<4sBBqIIIB")
_CHECKSUM_AT: Final = 22
_HEAD: Final = struct.Struct("<8sBBHIhB")
_MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggError(ValueError):
    """The bytes are no Ogg Opus stream, or a packet does not fit a page."""


class Page(NamedTuple):
    """An intact page: where it lies in the data, and what its header says. Its payload is `data[body:end]`."""

    start: int
    body: int
    end: int
    flags: int
    granule: int
    serial: int
    sequence: int
    lacing: bytes


def checksum(data: bytes) -> int:
    """CRC-32 of RFC 3533 section 6: polynomial 0x04c11db7, most significant bit first, from 0, not inverted.

    zlib has the same polynomial the other way round, some hundred times as fast as a loop here: bits of each byte are
    mirrored before, the sum's after; starting at all ones undoes its inversion.
    """
    mirrored = zlib.crc32(data.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRROR), "big")


def page(packets: Sequence[bytes], *, granule: int, serial: int, sequence: int, flags: int = 0) -> bytes:
    """One page of whole packets. Raises `OggError` if they need more than `MOST_LACING` lacing values."""
    lacing = b"".join(_lacing(packet) for packet in packets)
    if len(lacing) > MOST_LACING:
        raise OggError(f"{len(lacing)} lacing values do not fit a page")
    header = _HEADER.pack(b"OggS", 0, flags, granule, serial, sequence, 0, len(lacing))
    return _summed(b"".join((header, lacing, *packets)))


def ended(last: bytes) -> bytes:
    """The page with the flag of the last one: what a stream is closed with if nothing is left to say."""
    return _summed(last[:5] + bytes([last[5] | LAST]) + last[6:])


def opus_head(channels: int, pre_skip: int) -> bytes:
    """The identification packet (RFC 7845 section 5.1): `pre_skip` in samples at 48 kHz, mapping family 0."""
    return _HEAD.pack(b"OpusHead", 1, channels, pre_skip, 48_000, 0, 0)


def opus_tags(vendor: str, comments: Iterable[str] = ()) -> bytes:
    """The comment packet (RFC 7845 section 5.2)."""
    texts = [comment.encode() for comment in comments]
    name = vendor.encode()
    sized = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return b"OpusTags" + struct.pack("<I", len(name)) + name + struct.pack("<I", len(texts)) + sized


class OpusPages:
    """Pages of one stream, in order. Positions count samples at 48 kHz and include `pre_skip`."""

    def __init__(self, serial: int, *, channels: int, pre_skip: int) -> None:
        self._serial = serial
        self._channels = channels
        self._pre_skip = pre_skip
        self._sequence = 0
        self.granule = 0

    def headers(self) -> bytes:
        """The two pages every stream begins with."""
        head = self._page([opus_head(self._channels, self._pre_skip)], flags=FIRST)
        return head + self._page([opus_tags("Dojo")])

    def pages(self, packets: Iterable[tuple[bytes, int]]) -> list[bytes]:
        """As few pages as hold the packets, each with its samples at 48 kHz. No packet goes over two pages, so that
        whatever is cut off after a whole page plays."""
        pages: list[bytes] = []
        waiting: list[bytes] = []
        lacing = 0
        for packet, samples in packets:
            needed = len(packet) // 255 + 1
            if waiting and lacing + needed > MOST_LACING:
                pages.append(self._page(waiting))
                waiting, lacing = [], 0
            waiting.append(packet)
            lacing += needed
            self.granule += samples
        if waiting:
            pages.append(self._page(waiting))
        return pages

    def _page(self, packets: Sequence[bytes], flags: int = 0) -> bytes:
        made = page(packets, granule=self.granule, serial=self._serial, sequence=self._sequence, flags=flags)
        self._sequence += 1
        return made


def whole_pages(data: bytes) -> Iterator[Page]:
    """The intact pages from the beginning, up to the first that is torn or damaged."""
    at = 0
    while len(data) - at >= _HEADER.size:
        mark, version, flags, granule, serial, sequence, told, count = _HEADER.unpack_from(data, at)
        body = at + _HEADER.size + count
        if mark != b"OggS" or version or len(data) < body:
            return
        lacing = data[at + _HEADER.size : body]
        end = body + sum(lacing)
        if len(data) < end or checksum(_without_sum(data[at:end])) != told:
            return
        yield Page(at, body, end, flags, granule, serial, sequence, lacing)
        at = end


def packets_of(data: bytes) -> list[bytes]:
    """The packets of the intact pages, the two headers first."""
    packets: list[bytes] = []
    part = b""
    for found in whole_pages(data):
        at = found.body
        for size in found.lacing:
            part += data[at : at + size]
            at += size
            if size < 255:
                packets.append(part)
                part = b""
    return packets


def mended(data: bytes) -> tuple[bytes, int]:
    """A stream a killed process left: its intact pages, ended properly, and the samples it plays.

    Nothing to play gives `(b"", 0)`. Raises `OggError` if it does not begin as Opus in Ogg.
    """
    pages = list(whole_pages(data))
    if not pages:
        return b"", 0
    first, last = pages[0], pages[-1]
    if first.end - first.body < _HEAD.size or data[first.body : first.body + 8] != b"OpusHead":
        raise OggError("this is no Opus in Ogg")
    pre_skip: int = _HEAD.unpack_from(data, first.body)[3]
    if last.granule <= pre_skip:
        return b"", 0
    return data[: last.start] + ended(data[last.start : last.end]), last.granule - pre_skip


def _lacing(packet: bytes) -> bytes:
    full, rest = divmod(len(packet), 255)
    return b"\xff" * full + bytes([rest])


def _without_sum(data: bytes) -> bytes:
    return data[:_CHECKSUM_AT] + bytes(4) + data[_CHECKSUM_AT + 4 :]


def _summed(data: bytes) -> bytes:
    blank = _without_sum(data)
    return blank[:_CHECKSUM_AT] + checksum(blank).to_bytes(4, "little") + blank[_CHECKSUM_AT + 4 :]
