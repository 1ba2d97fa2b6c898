from __future__ import annotations

from pathlib import Path

from dojo.embedded import server_log as module
from dojo.embedded.server_log import ServerLog


def test_it_is_appended_to_and_its_end_shown(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "server.log")
    assert log.tail() == "(no log)"
    for line in (b"one\ntwo\n", b"three \xff\n"):
        with log.open() as file:
            file.write(line)
    assert log.tail(2) == "two\nthree \N{REPLACEMENT CHARACTER}"


def test_a_long_one_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "server.log")
    with log.open() as file:
        file.truncate(module._LOG_BYTES + 1)
    with log.open() as file:
        file.write(b"fresh\n")
    assert log.tail() == "fresh"
    assert (tmp_path / "server.log.1").stat().st_size == module._LOG_BYTES + 1
