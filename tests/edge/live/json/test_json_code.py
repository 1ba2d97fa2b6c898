"""CODE_UPDATE in a real room: who is told what, and what is refused."""

from __future__ import annotations

import pytest

from collab_core.journal.memory import MemoryJournal
from edge.live.json.versions import version_of
from tests.collab_core.live import user_of
from tests.edge.live.json.scene import LONG, scene, two, update


async def test_a_newcomer_is_told_the_whole_file_and_its_version() -> None:
    async with scene() as here:
        await two(here, "é\n")
        eve = await here.person("eve")
        [told] = eve.heard
        assert told["type"] == "CODE_UPDATE"
        assert (told["file"], told["content"], told["version"]) == ("main.py", "é\n", version_of("é\n"))
        assert told["userId"] == "00000000-0000-0000-0000-000000000000"
        assert told["timestamp"].endswith("Z")


async def test_an_edit_goes_to_others_as_an_edit_and_back_to_its_author_acknowledged() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        ana.tell(
            update(
                file="main.py",
                baseVersion=version_of("hello\n"),
                seq=7,
                content="hello!\n",
                position={"line": 0, "column": 6},
            )
        )
        await here.flushed()
        [told] = ben.receive()
        assert told["baseVersion"] == version_of("hello\n")
        assert told["version"] == version_of("hello!\n")
        assert told["edits"] == [{"from": 5, "to": 5, "insert": "!"}]
        assert told["userId"] == str(user_of("ana"))
        assert told["userName"] == f"<{user_of('ana').hex[:4]}>"
        assert told["position"] == {"line": 0, "column": 6}
        assert "content" not in told
        assert "ackSeq" not in told
        [answer] = ana.receive()
        assert answer == told | {"ackSeq": 7}
        await here.committed()
        assert ana.receive() == [{"type": "SAVED", "seq": 7}]
        assert ben.receive() == []


async def test_one_frame_is_shared_by_all_who_know_the_version() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        eve = await here.person("eve")
        eve.tell(update(file="main.py", baseVersion=version_of("hello\n")))
        eve.receive()
        ana.type("hello!\n")
        await here.flushed()
        assert ben.wire.frames[0] is eve.wire.frames[0]


async def test_what_others_typed_meanwhile_survives() -> None:
    async with scene() as here:
        ana, ben = await two(here, "one two three\n")
        ana.type("one 1 two three\n")
        ben.type("one two 2 three\n")
        await here.flushed()
        assert here.text == "one 1 two 2 three\n"
        ana.receive()
        ben.receive()
        assert ana.thin.text == ben.thin.text == here.text
        window = ana.heard[-1]
        assert [author["userId"] for author in window["authors"]] == [str(user_of("ana")), str(user_of("ben"))]
        assert window["authors"][0]["position"] == {"line": 0, "column": 6}
        assert window["authors"][1]["position"] == window["position"] == {"line": 0, "column": 12}


async def test_what_clients_with_documents_type_is_told_with_its_author() -> None:
    async with scene() as here:
        ana, ben = await two(here, "one\n" + LONG)
        author = await here.author("crdt")
        ana.type("one!\n" + LONG)
        author.change(lambda text: text.insert(0, "zero "))
        author.send()
        await here.flushed()
        [told] = ben.receive()
        assert told["edits"] == [{"from": 0, "to": 0, "insert": "zero "}, {"from": 3, "to": 3, "insert": "!"}]
        assert [each["userId"] for each in told["authors"]] == [str(user_of("ana")), str(user_of("crdt"))]
        assert [each["position"]["column"] for each in told["authors"]] == [9, 5]


async def test_the_cursor_decides_between_equal_characters() -> None:
    async with scene() as here:
        ana, ben = await two(here, "aaaa")
        content = {"file": "main.py", "baseVersion": version_of("aaaa"), "seq": 9}
        ana.tell(update(**content, content="aaaaa", position={"line": 0, "column": 1}))
        ben.tell(update(**content, edits=[{"from": 2, "to": 2, "insert": "|"}]))
        await here.flushed()
        assert here.text == "aaa|aa"


async def test_offsets_count_units_of_utf_16() -> None:
    async with scene() as here:
        ana, ben = await two(here, "😀é\n" + LONG)
        edits = [{"from": 2, "to": 3, "insert": "👍"}, {"from": 4, "to": 4, "insert": "x"}]
        ana.tell(update(baseVersion=version_of("😀é\n" + LONG), seq=9, edits=edits))
        await here.flushed()
        assert here.text == "😀👍\nx" + LONG
        [told] = ben.receive()
        assert told["edits"] == edits


# One in flight, and once


async def test_one_update_is_in_flight() -> None:
    async with scene() as here:
        ana, _ = await two(here, "")
        ana.tell(update(baseVersion=version_of(""), seq=10, content="a"))
        ana.tell(update(baseVersion=version_of(""), seq=11, content="ab"))
        [error] = ana.receive()
        assert (error["type"], error["code"], error["seq"]) == ("ERROR", "busy", 11)
        await here.flushed()
        assert here.text == "a"


async def test_an_edit_to_a_version_that_does_not_know_the_one_before_would_double_it() -> None:
    async with scene() as here:
        ana, _ = await two(here, "")
        ana.tell(update(baseVersion=version_of(""), seq=10, content="a"))
        await here.flushed()
        ana.tell(update(baseVersion=version_of(""), seq=11, content="ab"))
        assert ana.receive()[-1]["code"] == "busy"
        ana.tell(update(baseVersion=version_of("a"), seq=11, content="ab"))
        await here.flushed()
        assert here.text == "ab"


@pytest.mark.parametrize("flushed", [True, False], ids=["after the flush", "before the flush"])
async def test_an_edit_that_is_sent_again_after_a_reconnect_is_made_once(*, flushed: bool) -> None:
    async with scene() as here:
        ana, ben = await two(here, "one ")
        ana.type("one two ")
        if flushed:
            await here.flushed()
        ben.type("zero one ")
        ana.leave()
        again = await here.person("ana")
        again.thin.text, again.thin.seq = ana.thin.text, ana.thin.seq
        again.thin.sent, again.thin.base, again.thin.flight = ana.thin.sent, ana.thin.base, ana.thin.flight
        assert ana.thin.flight is not None
        again.tell(ana.thin.flight)
        await here.flushed()
        again.receive()
        await here.committed()
        again.receive()
        assert here.text == again.thin.text == "zero one two "
        assert again.thin.flight is None
        assert again.thin.saved == ana.thin.seq


async def test_an_edit_that_changes_nothing_is_answered_too() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        await here.committed()
        ana.receive()
        ana.tell(update(baseVersion=version_of("hello\n"), seq=30, content="hello\n"))
        answer, saved = ana.receive()
        assert (answer["ackSeq"], answer["edits"], answer["version"]) == (30, [], version_of("hello\n"))
        assert saved == {"type": "SAVED", "seq": 30}
        assert ben.receive() == []


# Versions


async def test_an_unknown_version_applies_nothing_and_tells_the_text() -> None:
    async with scene() as here:
        ana, _ = await two(here)
        ana.tell(update(file="main.py", baseVersion="aaaa", seq=5, content="something else"))
        [error] = ana.receive()
        assert error["code"] == "stale_version"
        assert error["seq"] == 5
        assert (error["file"], error["content"], error["version"]) == ("main.py", "hello\n", version_of("hello\n"))
        assert here.text == "hello\n"


async def test_versions_survive_a_restart() -> None:
    journal = MemoryJournal()
    async with scene(journal) as here:
        ana, _ = await two(here)
        version = ana.thin.version
        await here.committed()
    async with scene(journal) as there:
        again = await there.person("ana")
        again.tell(update(baseVersion=version, seq=9, content="hello again\n"))
        await there.flushed()
        assert there.text == "hello again\n"


async def test_a_client_that_comes_back_asks_what_was_changed_since_its_version() -> None:
    async with scene() as here:
        ana, ben = await two(here, "a" + LONG)
        ben.leave()
        for text in ("ab", "abc", "xabc"):
            ana.type(text + LONG)
            await here.flushed()
            ana.receive()
        again = await here.person("ben")
        again.thin.text = again.thin.shadow = ben.thin.text
        again.thin.version = ben.thin.version
        again.tell(update(file="main.py", baseVersion=ben.thin.version))
        [told] = again.receive()
        assert told["edits"] == [{"from": 0, "to": 0, "insert": "x"}, {"from": 1, "to": 1, "insert": "bc"}]
        assert again.thin.text == "xabc" + LONG
        again.tell(update(file="main.py", baseVersion="gone"))
        assert again.receive()[-1]["content"] == "xabc" + LONG


# Clients that know nothing of versions


async def test_a_client_that_names_no_version_gets_whole_content_and_no_echo() -> None:
    async with scene() as here:
        old, ben = await here.person("old"), await here.person("ben")
        for text in ("p", "pr", "print"):  # it waits for nothing
            old.tell(update(content=text, position={"line": 0, "column": len(text)}))
        await here.flushed()
        assert here.text == "print"
        assert old.receive() == []
        ben.receive()
        ben.type("print()")
        await here.flushed()
        [told] = old.receive()
        assert told["content"] == "print()"
        assert "edits" not in told


async def test_what_others_typed_survives_a_client_that_names_no_version() -> None:
    async with scene() as here:
        _, ben = await two(here, "one\ntwo\n")
        old = await here.person("old")
        ben.type("one\ntwo\nthree\n")
        old.tell(update(content="zero\none\ntwo\n"))  # it has not seen the third line
        old.tell(update(content="zero!\none\ntwo\n"))
        await here.flushed()
        assert here.text == "zero!\none\ntwo\nthree\n"
        assert old.receive()[-1]["content"] == here.text
        old.tell(update(content="zero!\none\ntwo\nthree\nfour\n"))
        await here.flushed()
        assert here.text == "zero!\none\ntwo\nthree\nfour\n"


# Slow sockets


async def test_a_slow_client_gets_the_newest_text_and_no_queue() -> None:
    async with scene() as here:
        ana, ben = await two(here, "")
        ben.type("b")
        ben.stop_reading()
        await here.flushed()  # the frame that fills its socket
        ana.receive()
        for number in range(20):
            ana.type(ana.thin.text + str(number))
            await here.flushed()
            ana.receive()
        assert len(ben.wire.frames) == 1
        ben.receive()
        ben.type(ben.thin.text + "!")
        await here.flushed()
        ana.receive()
        await here.committed()
        assert ben.receive() == []
        ben.read_on()
        told = ben.receive()
        assert [message["type"] for message in told] == ["CODE_UPDATE", "SAVED"]
        assert ben.thin.flight is None
        assert ben.thin.text == here.text == ana.thin.text
        assert ben.thin.saved == ben.thin.seq


async def test_a_slow_client_is_told_the_last_refusal_with_the_text_of_then() -> None:
    async with scene() as here:
        ana, ben = await two(here, "")
        ben.stop_reading()
        ana.type("a")
        await here.flushed()
        ben.receive()
        ben.tell(update(baseVersion="gone", seq=40, content="x"))
        ana.receive()
        ana.type("ab")
        await here.flushed()
        assert ben.receive() == []
        ben.read_on()
        [error] = ben.receive()
        assert (error["code"], error["seq"], error["content"]) == ("stale_version", 40, "ab")


# Several files


async def test_each_file_has_its_own_versions() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        here.application.paths = ["main.py", "src/test.py"]
        ana.tell(update(file="src/test.py", content="assert True\n", baseVersion=version_of(""), seq=60))
        await here.flushed()
        assert here.room.view.text("file/src/test.py") == "assert True\n"
        assert here.text == "hello\n"
        [told] = ben.receive()
        assert (told["file"], told["content"]) == ("src/test.py", "assert True\n")
        ana.tell(update(content="HELLO\n", baseVersion=version_of("hello\n"), seq=61))
        assert ana.receive()[-1]["ackSeq"] == 60
        await here.flushed()
        [told] = ben.receive()
        assert (told["file"], told["baseVersion"]) == ("main.py", version_of("hello\n"))
        assert here.text == "HELLO\n"


async def test_an_edit_of_a_file_that_is_taken_away_is_answered() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        here.application.paths = ["main.py", "gone.py"]
        ana.type("hi\n")
        await here.flushed()
        ana.receive()
        ben.receive()
        ana.tell(update(file="gone.py", baseVersion=version_of(""), seq=70, content="x"))
        here.application.paths = ["main.py"]
        await here.flushed()
        [error] = [message for message in ana.receive() if message["type"] == "ERROR"]
        assert (error["code"], error["file"], error["seq"]) == ("unknown_file", "gone.py", 70)
        ana.type("hi there\n")
        await here.flushed()
        assert here.text == "hi there\n"
