"""Envelope encryption: the format as documented, and nothing but the right key, purpose and bytes opens a record."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from kernel.secrets import OVERHEAD_BYTES, MasterKeyError, MasterKeys, SecretUnreadable

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))
KEYS = MasterKeys([KEY])
PURPOSE = b"signing_keys.private:7f"

KNOWN_PLAIN = "ação".encode()
KNOWN_DATA_KEY = bytes(range(100, 132))
KNOWN_NONCE = bytes(range(12))
KNOWN_SEALED = bytes.fromhex(
    "01859440e3d73734ba026115d00cb6ace96d9e2c074ef78f464aa18a532bc68cecfb5117109910de"
    "dd924b6e9142333c0f000102030405060708090a0bfe689f8f1e22838a2fd97292573a0974886ce9"
    "156bd0"
)


def test_a_known_record_is_made_and_opened() -> None:
    assert KEYS._seal(KNOWN_PLAIN, PURPOSE, KNOWN_DATA_KEY, KNOWN_NONCE) == KNOWN_SEALED
    assert KEYS.open(KNOWN_SEALED, purpose=PURPOSE) == KNOWN_PLAIN


def test_the_known_record_is_what_the_format_says() -> None:
    header = b"\x01" + hashlib.sha256(b"dojo master key id" + KEY).digest()[:8] + aes_key_wrap(KEY, KNOWN_DATA_KEY)
    content = AESGCM(KNOWN_DATA_KEY).encrypt(KNOWN_NONCE, KNOWN_PLAIN, header + PURPOSE)
    assert header + KNOWN_NONCE + content == KNOWN_SEALED


@given(st.binary(max_size=2000), st.binary(max_size=50))
def test_what_was_sealed_opens(plain: bytes, purpose: bytes) -> None:
    sealed = KEYS.seal(plain, purpose=purpose)
    assert len(sealed) == len(plain) + OVERHEAD_BYTES
    assert KEYS.open(sealed, purpose=purpose) == plain


def test_no_two_records_of_the_same_content_are_alike() -> None:
    records = [KEYS.seal(b"same", purpose=PURPOSE) for _ in range(50)]
    assert len({record[9:49] for record in records}) == 50
    assert len({record[49:61] for record in records}) == 50
    assert len({record[61:] for record in records}) == 50


def test_every_byte_counts() -> None:
    for place in range(len(KNOWN_SEALED)):
        changed = bytearray(KNOWN_SEALED)
        changed[place] ^= 1
        with pytest.raises(SecretUnreadable) as refused:
            KEYS.open(bytes(changed), purpose=PURPOSE)
        assert refused.value.__cause__ is None


@given(st.binary(max_size=200))
def test_garbage_does_not_open(garbage: bytes) -> None:
    for sealed in (garbage, KNOWN_SEALED[:9] + garbage, KNOWN_SEALED + garbage + b"x"):
        with pytest.raises(SecretUnreadable):
            KEYS.open(sealed, purpose=PURPOSE)


@pytest.mark.parametrize("purpose", [b"", PURPOSE[:-1], PURPOSE + b"0", b"issuers.secret:7f"])
def test_a_record_does_not_open_for_another_purpose(purpose: bytes) -> None:
    with pytest.raises(SecretUnreadable, match="another purpose"):
        KEYS.open(KNOWN_SEALED, purpose=purpose)


def test_keys_rotate() -> None:
    old = MasterKeys([KEY])
    both = MasterKeys([OTHER, KEY])
    new = MasterKeys([OTHER])
    sealed = old.seal(b"text", purpose=PURPOSE)
    assert both.open(sealed, purpose=PURPOSE) == b"text"
    assert old.current(sealed)
    assert not both.current(sealed)
    anew = both.seal(both.open(sealed, purpose=PURPOSE), purpose=PURPOSE)
    assert both.current(anew)
    assert new.open(anew, purpose=PURPOSE) == b"text"
    with pytest.raises(SecretUnreadable, match=r"master key [0-9a-f]{16}, which is not among"):
        new.open(sealed, purpose=PURPOSE)
    assert not new.current(b"")


def test_keys_come_from_base64() -> None:
    texts = [base64.b64encode(OTHER).decode(), f" {base64.b64encode(KEY).decode()}\n"]
    keys = MasterKeys.from_base64(texts)
    assert keys.open(KNOWN_SEALED, purpose=PURPOSE) == KNOWN_PLAIN
    assert MasterKeys([OTHER]).current(keys.seal(b"", purpose=PURPOSE))


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ([], "at least one"),
        (["c2hvcnQ="], "has 32 bytes"),
        ([base64.b64encode(KEY).decode(), "not base64!"], "master key 2 is not base64"),
        (["ключ"], "master key 1 is not base64"),
        ([base64.b64encode(KEY).decode()] * 2, "listed twice"),
    ],
)
def test_unusable_keys_are_refused_without_being_quoted(texts: list[str], fault: str) -> None:
    with pytest.raises(MasterKeyError, match=fault) as refused:
        MasterKeys.from_base64(texts)
    assert not any(text in str(refused.value) for text in texts)


def test_a_repr_shows_no_key() -> None:
    shown = repr(MasterKeys([KEY, OTHER]))
    for key in (KEY, OTHER):
        assert key.hex() not in shown
        assert repr(key) not in shown
        assert base64.b64encode(key).decode() not in shown


def test_the_key_file_is_made_once_and_takes_a_second_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    sealed = MasterKeys.load_or_create(path).seal(b"text", purpose=PURPOSE)
    assert MasterKeys.load_or_create(path).open(sealed, purpose=PURPOSE) == b"text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(base64.b64encode(OTHER) + b"\n\n" + path.read_bytes())
    rotated = MasterKeys.load_or_create(path)
    assert rotated.open(sealed, purpose=PURPOSE) == b"text"
    assert not rotated.current(sealed)


def test_a_bad_key_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, b"\xffrubbish\n")
    os.close(descriptor)
    with pytest.raises(MasterKeyError, match=r"master\.key, line 1 is not base64"):
        MasterKeys.load_or_create(path)
    assert path.read_bytes() == b"\xffrubbish\n"
    path.chmod(0o644)
    with pytest.raises(MasterKeyError, match="others may read"):
        MasterKeys.load_or_create(path)
