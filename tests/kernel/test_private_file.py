"""Private files: made once whoever comes first, never readable by others, never half written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.private_file import LONGEST_BYTES, PrivateFileError, create_once, read_or_create

_RACER = """
import sys
from pathlib import Path
from kernel.private_file import read_or_create
print("up", flush=True)
sys.stdin.readline()
print(read_or_create(Path(sys.argv[1]), lambda: sys.argv[2].encode() * 100).decode())
"""


def test_it_is_made_on_first_use_and_read_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "some.key"
    assert read_or_create(path, lambda: b"first") == b"first"
    assert read_or_create(path, lambda: b"second") == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["some.key"]


def test_create_once_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    assert create_once(path, b"first")
    assert not create_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["some.key"]


def test_processes_that_race_end_up_with_one_content(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    command = [sys.executable, "-c", _RACER, str(path)]
    racers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abcd"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "up\n"
    for racer in racers:  # all wait for the line: let them go together
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = {racer.communicate(timeout=30)[0] for racer in racers}
    assert answers == {path.read_text() + "\n"}
    assert len(path.read_bytes()) == 100


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "some.key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(PrivateFileError, match=r"others may read .*chmod 600") as refused:
        read_or_create(path, lambda: b"new")
    assert "secret" not in str(refused.value)


def test_what_is_no_small_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(PrivateFileError, match="no ordinary file"):
        read_or_create(pipe, lambda: b"new")
    large = tmp_path / "large"
    assert create_once(large, b"x" * (LONGEST_BYTES + 1))
    with pytest.raises(PrivateFileError, match="longer than"):
        read_or_create(large, lambda: b"new")
    with pytest.raises(PrivateFileError, match="Is a directory"):
        read_or_create(tmp_path, lambda: b"new")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"a file in the folder's place")
    with pytest.raises(PrivateFileError, match=r"cannot read or create .*some\.key"):
        read_or_create(tmp_path / "keys" / "some.key", lambda: b"new")
