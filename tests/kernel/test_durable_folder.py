from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernel.durable_folder import sync_folder


def test_the_folder_itself_is_flushed_and_nothing_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    before = os.listdir("/proc/self/fd")
    sync_folder(tmp_path)
    assert flushed == [str(tmp_path)]
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")
