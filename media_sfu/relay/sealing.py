"""How two voice processes keep others out: SRTP with AES-256-GCM, under a key of each direction of each pair.

A process makes a random key at its start and tells it in the registry. What it sends another one is under a key that
is derived from that and both names, so nothing sent to one means anything to the next. Names are never used twice.

SRTP packets carry the low 16 bits of their index, and the rest is a guess of both sides which a late or a long absent
listener gets wrong. So an SSRC here is used for 32,768 packets only, within which there is nothing to guess, and SSRCs
of a pair only rise: an index is never used twice, and whatever has a lower SSRC is old.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from media_sfu.srtp import AEAD_AES_256_GCM, Inbound, Outbound

KEY_BYTES: Final = 32
"""Of the key that a process makes."""
HEADER_BYTES: Final = 12
OVERHEAD: Final = HEADER_BYTES + AEAD_AES_256_GCM.overhead
STRETCH: Final = 1 << 15
"""Packets under one SSRC."""

_HEADER: Final = struct.Struct(">BBHII")
_VERSION: Final = 0x80
_MASTER_BYTES: Final = AEAD_AES_256_GCM.key_length + AEAD_AES_256_GCM.salt_length
_TAG_BYTES: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class PairKeys:
    """Of one direction between two processes. `tag` is in clear in each packet: by it the receiver finds the keys."""

    master: bytes
    tag: int

    @classmethod
    def derive(cls, key: bytes, sender: str, receiver: str) -> PairKeys:
        """From the sender's key (`KEY_BYTES`) and both names, by HKDF (RFC 5869)."""
        names = [name.encode() for name in (sender, receiver)]
        info = b"dojo voice relay" + b"".join(len(name).to_bytes(2, "big") + name for name in names)
        made = HKDF(SHA256(), _MASTER_BYTES + _TAG_BYTES, salt=None, info=info).derive(key)
        return cls(made[:_MASTER_BYTES], int.from_bytes(made[_MASTER_BYTES:], "big"))

    def __repr__(self) -> str:
        """Without the key."""
        return f"PairKeys(tag={self.tag:#010x})"


def tag_of(data: bytes) -> int:
    """Of a packet that has a header."""
    return int.from_bytes(data[4:8], "big")


class Sealer:
    """What is sent to one process."""

    def __init__(self, keys: PairKeys, ssrcs: Iterator[int]) -> None:
        """`ssrcs` rises and is the same for all that this process makes, so that none begins again where one ended."""
        self.failures = 0
        self._keys = keys
        self._ssrcs = ssrcs
        self._ssrc = 0
        self._sequence = STRETCH
        self._outbound: Outbound | None = None

    def seal(self, plain: bytes) -> bytes | None:
        """A packet with `plain` in it; None (counted) if that failed."""
        if self._outbound is None or self._sequence >= STRETCH:
            self._outbound = Outbound(self._keys.master, AEAD_AES_256_GCM)
            self._ssrc = next(self._ssrcs)
            self._sequence = 0
        sealed = self._outbound.seal(_HEADER.pack(_VERSION, 0, self._sequence, self._keys.tag, self._ssrc) + plain)
        self._sequence += 1
        if sealed is None:
            self.failures += 1
        return sealed


class Opener:
    """What comes from one process. `forged`: not authentic; `replayed`: seen before, or too old to know."""

    def __init__(self, keys: PairKeys) -> None:
        self.forged = 0
        self.replayed = 0
        self._keys = keys
        self._newest = -1
        self._inbounds: dict[int, Inbound] = {}
        """The newest SSRC's and the one's before, whose last packets may be late."""
        self._next = Inbound(keys.master, AEAD_AES_256_GCM)

    def open(self, data: bytes) -> bytes | None:
        """What was sealed, or None (counted)."""
        ssrc = int.from_bytes(data[8:12], "big")
        inbound = self._inbounds.get(ssrc)
        if inbound is None:
            if ssrc < self._newest:
                self.replayed += 1
                return None
            inbound = self._next
        replays = inbound.replays
        opened = inbound.open(data)
        if opened is None:
            if inbound.replays > replays:
                self.replayed += 1
            else:
                self.forged += 1
            return None
        if inbound is self._next:
            self._inbounds = {key: kept for key, kept in self._inbounds.items() if key == self._newest}
            self._inbounds[ssrc] = inbound
            self._newest = ssrc
            self._next = Inbound(self._keys.master, AEAD_AES_256_GCM)
        return opened[HEADER_BYTES:]
