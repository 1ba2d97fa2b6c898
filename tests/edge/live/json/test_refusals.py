"""CODE_UPDATEs that are not taken: each is answered, changes nothing, and the connection goes on."""

from __future__ import annotations

import msgspec
import pytest

from edge.live.json.shared_file import FILE_CHARACTERS
from edge.live.json.versions import version_of
from tests.edge.live.json.scene import scene, two, update


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "bad_message"),
        (b"[]", "bad_message"),
        (b"{", "bad_message"),
        (b"[" * 100_000, "bad_message"),
        (b'{"content":7}', "bad_message"),
        (b'{"content":"\\ud83d"}', "bad_message"),
        (b'{"content":"\\udc00x"}', "bad_message"),
        (b'{"content":"a","edits":[]}', "bad_message"),
        (b'{"edits":[{"from":0,"to":0,"insert":"x"}]}', "bad_message"),
        (b'{"baseVersion":"v","edits":[' + b",".join([b'{"from":0,"to":0}'] * 1_001) + b"]}", "bad_message"),
        (b'{"baseVersion":"v","edits":[{"from":0.5,"to":1}]}', "bad_message"),
        (b'{"content":"x","seq":-1}', "bad_message"),
        (b'{"content":"x","seq":"1"}', "bad_message"),
        (b'{"content":"x","file":"../etc"}', "unknown_file"),
        (b'{"content":"x","position":{"line":1,"column":0}}', "bad_position"),
        (b'{"content":"x","position":{"line":0,"column":2}}', "bad_position"),
        ('{"content":"😀","position":{"line":0,"column":1}}'.encode(), "bad_position"),
        (
            b'{"content":"x","selection":{"start":{"line":0,"column":0},"end":{"line":99999999999,"column":0}}}',
            "bad_position",
        ),
        (msgspec.json.encode({"content": "x" * (FILE_CHARACTERS + 1)}), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:40].decode(),
)
async def test_bad_input_is_told_and_changes_nothing(payload: bytes, code: str) -> None:
    async with scene() as here:
        ana, ben = await two(here)
        ana.tell(payload)
        [error] = ana.receive()
        assert (error["type"], error["code"]) == ("ERROR", code)
        await here.flushed()
        assert here.text == "hello\n"
        assert ben.receive() == []
        ana.type("hello still\n")
        await here.flushed()
        assert here.text == "hello still\n"


async def test_who_may_not_write_is_told_the_text_as_it_is() -> None:
    async with scene() as here:
        ana, _ = await two(here)
        here.application.readonly.add("ana")
        ana.type("mine\n")
        [error] = ana.receive()
        assert (error["code"], error["content"]) == ("forbidden", "hello\n")
        assert here.text == ana.thin.text == "hello\n"


async def test_an_edit_that_was_taken_is_acknowledged_even_when_its_author_may_not_write_any_more() -> None:
    async with scene() as here:
        ana, _ = await two(here)
        ana.type("mine\n")
        await here.flushed()
        ana.receive()
        here.application.readonly.add("ana")
        ana.tell(update(file="main.py", baseVersion=version_of("hello\n"), seq=ana.thin.seq, content="mine\n"))
        assert ana.receive()[-1]["ackSeq"] == ana.thin.seq


async def test_while_edits_are_not_taken_the_author_is_told() -> None:
    async with scene() as here:
        ana, _ = await two(here)
        here.room.writable = False
        ana.type("more\n")
        [error] = ana.receive()
        assert error["code"] == "not_taken"
        assert here.text == "hello\n"


async def test_a_file_that_others_made_too_large_is_not_sent() -> None:
    async with scene() as here:
        ana, ben = await two(here)
        author = await here.author("crdt")
        author.change(lambda text: text.insert(0, "x" * FILE_CHARACTERS))
        author.send()
        await here.flushed()
        ana.tell(update(baseVersion=version_of("hello\n"), seq=50, content="hi\n"))
        assert [message["code"] for message in ana.receive()] == ["too_large"]
        author.change(lambda text: text.clear())
        author.send()
        await here.flushed()
        assert ben.receive()[-1]["content"] == here.text == ""
