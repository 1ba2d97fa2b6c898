"""Envelope encryption of what must not lie readable in the database: private keys, clients' secrets.

Each record has a data key of its own, wrapped by a master key that never enters the database. A sealed record:

    offset  bytes  what
    0       1      version, 1
    1       8      id of the master key: the first bytes of SHA-256("dojo master key id" + key)
    9       40     the record's data key, wrapped (AES-256 key wrap, RFC 3394)
    49      12     nonce
    61      n+16   AES-256-GCM of the plain bytes (NIST SP 800-38D), tag at the end

The GCM's additional data is bytes 0-48 followed by the purpose, so a record taken from one column or row and put into
another does not open. Key wrap needs no nonce: however many records a master key wraps, none can repeat.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from kernel.private_file import PrivateFileError, read_or_create

VERSION: Final = 1
KEY_BYTES: Final = 32
OVERHEAD_BYTES: Final = 77
"""How much longer a sealed record is than its content."""

_KEY_ID = slice(1, 9)
_WRAPPED = slice(9, 49)
_NONCE = slice(49, 61)
_HEADER_BYTES = 49
_CONTENT_FROM = 61
_NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """A sealed record does not open. The text tells why as far as that is known, and nothing of the content."""


class MasterKeyError(Exception):
    """The master keys cannot be used; the text says why and what to do, and holds no key."""


class MasterKeys:
    """The keys records are sealed with. The first one seals; all of them open.

    To rotate: put the new key in front, seal anew whatever is not `current` and lasts (signing keys do it by
    themselves), wait for the end of what does not (a day), then take the old key away.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` are of 32 random bytes each. Raises `MasterKeyError` on none, on another length and on a repeated
        one."""
        if not keys:
            raise MasterKeyError("at least one master key is needed: `openssl rand -base64 32` makes one")
        if any(len(key) != KEY_BYTES for key in keys):
            raise MasterKeyError(f"a master key has {KEY_BYTES} bytes: `openssl rand -base64 32` makes one")
        self._keys = {_key_id(key): key for key in keys}
        if len(self._keys) != len(keys):
            raise MasterKeyError("a master key is listed twice: take one of them away")
        self._first = _key_id(keys[0])

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(key_id.hex() for key_id in self._keys)})"

    @classmethod
    def from_base64(cls, texts: Sequence[str]) -> MasterKeys:
        """Keys as settings hold them: base64, one text each, the sealing one first. Raises `MasterKeyError`."""
        return cls([_from_base64(text, f"master key {number}") for number, text in enumerate(texts, 1)])

    @classmethod
    def load_or_create(cls, path: Path) -> MasterKeys:
        """Keys of a file: base64, one a line, the sealing one first. Made on first use with mode 0600; several
        processes at once end up with the same key. Raises `MasterKeyError`."""
        try:
            content = read_or_create(path, lambda: base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        except PrivateFileError as error:
            raise MasterKeyError(f"no master key: {error}") from error
        lines = content.decode("ascii", "replace").splitlines()
        named = [(f"{path}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
        return cls([_from_base64(line, name) for name, line in named])

    def seal(self, plain: bytes, *, purpose: bytes) -> bytes:
        """`plain`, encrypted, 77 bytes longer. It opens only for the same `purpose`: name table, column and row."""
        return self._seal(plain, purpose, os.urandom(KEY_BYTES), os.urandom(_NONCE_BYTES))

    def _seal(self, plain: bytes, purpose: bytes, data_key: bytes, nonce: bytes) -> bytes:
        wrapped = aes_key_wrap(self._keys[self._first], data_key)
        header = bytes([VERSION]) + self._first + wrapped
        return header + nonce + AESGCM(data_key).encrypt(nonce, plain, header + purpose)

    def open(self, sealed: bytes, *, purpose: bytes) -> bytes:
        """What was sealed for `purpose`. Raises `SecretUnreadable`."""
        if len(sealed) < OVERHEAD_BYTES or sealed[0] != VERSION:
            raise SecretUnreadable("this is no sealed record, or one of a later program version")
        key_id = bytes(sealed[_KEY_ID])
        key = self._keys.get(key_id)
        if key is None:
            raise SecretUnreadable(f"sealed with master key {key_id.hex()}, which is not among those configured")
        try:
            data_key = aes_key_unwrap(key, sealed[_WRAPPED])
            header = sealed[:_HEADER_BYTES]
            return AESGCM(data_key).decrypt(sealed[_NONCE], sealed[_CONTENT_FROM:], header + purpose)
        except (InvalidUnwrap, InvalidTag):
            raise SecretUnreadable("the record was changed, or sealed for another purpose") from None

    def current(self, sealed: bytes) -> bool:
        """Whether `sealed` is of the key and version that would seal it now."""
        return sealed[:1] == bytes([VERSION]) and sealed[_KEY_ID] == self._first


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"dojo master key id" + key).digest()[:8]


def _from_base64(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise MasterKeyError(f"{name} is not base64: `openssl rand -base64 32` makes a key") from None
