"""Which files JSON clients are told there are, and places in their texts."""

from __future__ import annotations

import pytest

from edge.live.json.positions import BadPosition, Position, position_of
from edge.live.json.versions import VERSIONS, version_of
from tests.edge.live.json.scene import scene, two, update


async def test_a_cursor_is_carried_to_the_text_as_it_is_now() -> None:
    async with scene() as here:
        ana, _ = await two(here, "one\n😀two\n")
        version = version_of("one\n😀two\n")
        ana.type("zero\none\n😀two\n")
        await here.flushed()
        files = here.application.code.files
        for found in (files.locate(Position(1, 2), "main.py", version), files.locate(Position(2, 2))):
            assert found.path == "main.py"
            assert position_of(here.text, found.offset) == Position(2, 2)
        for wrong in ((Position(1, 1), None, version), (Position(0, 0), None, "gone"), (Position(0, 0), "no.py", None)):
            with pytest.raises(BadPosition):
                files.locate(*wrong)


async def test_a_spot_is_carried_until_the_change_is_forgotten() -> None:
    async with scene() as here:
        ana, _ = await two(here, "one\ntwo\n")
        files = here.application.code.files
        spot = files.locate(Position(1, 1))
        ana.type("zero\none\ntwo\n")
        await here.flushed()
        ana.receive()
        assert files.now(spot).offset == spot.offset + 5
        for number in range(VERSIONS + 1):
            ana.type(f"{number}\n")
            await here.flushed()
            ana.receive()
        with pytest.raises(BadPosition):
            files.now(spot)


async def test_files_that_come_go_or_change_places_are_told() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        assert ben.files == [["main.py"]]
        here.application.paths = ["a.py", "main.py"]
        here.application.code.files_changed()
        [new] = ben.receive()
        assert (new["file"], new["content"]) == ("a.py", "")
        here.application.paths = ["main.py", "a.py"]
        here.application.code.files_changed()
        here.application.code.files_changed()
        assert ben.receive() == []
        assert ben.files[1:] == [["a.py", "main.py"], ["main.py", "a.py"]]
        here.application.paths = ["main.py"]
        ana.type("hi\n")
        await here.flushed()
        [told] = ben.receive()
        assert told["file"] == "main.py"
        assert ben.files[3:] == [["main.py"]]


async def test_a_slow_client_is_told_the_files_of_now() -> None:
    async with scene() as here:
        _, ben = await two(here)
        ben.stop_reading()
        ben.tell(update(baseVersion="gone", seq=40, content="x"))
        assert len(ben.receive()) == 1
        for paths in (["main.py", "b.py"], ["main.py", "c.py"]):
            here.application.paths = paths
            here.application.code.files_changed()
        assert ben.receive() == []
        ben.read_on()
        [new] = ben.receive()
        assert (new["file"], new["content"]) == ("c.py", "")
        assert ben.files[1:] == [["main.py", "c.py"]]
