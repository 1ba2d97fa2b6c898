"""Tokens of any content, rightly signed: what a thief of nothing but imagination might send."""

from __future__ import annotations

import base64

import msgspec

from kernel.tokens.signing_key import SigningKey


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(key: SigningKey, header: object, payload: object) -> str:
    """A token of any content, rightly signed with `key`."""
    signing_input = f"{b64(msgspec.json.encode(header))}.{b64(msgspec.json.encode(payload))}"
    return f"{signing_input}.{b64(key._key.private_key.sign(signing_input.encode()))}"  # type: ignore[union-attr]
