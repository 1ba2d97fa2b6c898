from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from dojo.embedded.socket_folder import SocketFolder, SocketFolderError

LONGEST = 107


def test_it_lies_beside_the_data_as_long_as_a_socket_fits(tmp_path: Path) -> None:
    room = LONGEST - len(os.fsencode(tmp_path / "x" / "run" / "socket"))
    fits, too_long = tmp_path / ("x" * (room + 1)), tmp_path / ("x" * (room + 2))
    assert SocketFolder(fits, "socket").path == fits / "run"
    elsewhere = SocketFolder(too_long, "socket")
    assert elsewhere.path.parent == Path(tempfile.gettempdir())
    assert elsewhere.socket == elsewhere.path / "socket"
    assert elsewhere.path == SocketFolder(too_long, "socket").path
    assert elsewhere.path != SocketFolder(tmp_path / ("x" * (room + 3)), "socket").path


def test_only_a_folder_elsewhere_is_removed_and_only_when_empty(tmp_path: Path) -> None:
    beside, elsewhere = SocketFolder(tmp_path, "socket"), SocketFolder(tmp_path / ("x" * 120), "socket")
    for folder in (beside, elsewhere):
        folder.create()
        folder.create()
        folder.socket.touch()
        folder.remove_elsewhere()
        assert folder.path.is_dir()
        folder.socket.unlink()
        folder.remove_elsewhere()
    assert beside.path.is_dir()
    assert not elsewhere.path.exists()


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(SocketFolderError, match="mode 0700"):
        SocketFolder(tmp_path, "socket").create()
