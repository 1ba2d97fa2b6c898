"""Signing keys: kept in a private file, made once, the same for all who start at one moment."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from kernel.tokens.jws import KeyFileError
from kernel.tokens.signing_key import SigningKey

NOW = 1_800_000_000.0
USER = UUID(int=2)


def mint(key: SigningKey) -> str:
    return key.mint(tenant=UUID(int=1), user=USER, name="Ana", rooms=["*"], write=True, now=NOW, seconds=60)


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "token.jwk"
    first = SigningKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert SigningKey.load_or_create(path).kid == first.kid
    assert first.verifier().verify(mint(SigningKey.load_or_create(path)), NOW).sub == USER
    assert os.listdir(path.parent) == ["token.jwk"]


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token.jwk"
    SigningKey.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"kty":"OKP","crv":"Ed25519","x":"AAAA"}', b'{"crv":"Ed25519","x":"A","d":"A"}']
)
def test_a_broken_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token.jwk"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"token\.jwk holds no Ed25519 key"):
        SigningKey.load_or_create(path)


def test_processes_that_start_at_once_end_up_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "token.jwk"
    program = (
        "import sys; from pathlib import Path; from kernel.tokens.signing_key import SigningKey;"
        "print('loaded', flush=True); sys.stdin.readline(); print(SigningKey.load_or_create(Path(sys.argv[1])).kid)"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "loaded\n"
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    kids = {starter.communicate(timeout=20)[0].strip() for starter in starters}
    assert kids == {SigningKey.load_or_create(path).kid}


def test_a_key_comes_back_from_its_private_form_and_shows_none_of_it() -> None:
    key = SigningKey.generate()
    again = SigningKey.from_private(key.private())
    assert again.public_jwk() == key.public_jwk()
    assert key.verifier().verify(mint(again), NOW).sub == USER
    assert repr(key) == f"SigningKey({key.kid})"
    for broken in (b"", b"{}", key.private()[:-20], b'{"crv":"Ed25519","x":"A","d":"A"}'):
        with pytest.raises(KeyFileError, match="no private Ed25519 key") as error:
            SigningKey.from_private(broken)
        assert error.value.__cause__ is None
