"""Bytes that are no message: random ones, truncated ones, and text where only binary frames belong."""

from __future__ import annotations

from random import Random

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import awareness_frame, sync_step1, sync_step2, update_frame
from tests.hostile import forge
from tests.hostile.intruder import client_header
from tests.hostile.scene import Scene

_UPDATE = forge.update({77: (0, [forge.item(forge.text("evil \U0001f600"))])}, {77: [(0, 1)]})
_PRESENCE = awareness_frame(b"\x01" + forge.uint(77) + b"\x01" + forge.string('{"name":"m"}'))


async def test_random_bytes(scene: Scene) -> None:
    random = Random(5)
    for _ in range(40):
        # A first byte over 3 is no message type, so that chance makes none of them a valid message.
        garbage = bytes((random.randrange(4, 256), *random.randbytes(random.randrange(60))))
        assert await scene.refused(garbage) == CloseCode.MALFORMED
    await scene.intact()


@pytest.mark.parametrize(
    "frame",
    [update_frame(_UPDATE), sync_step2(_UPDATE), sync_step1({77: 5, 2**32: 300}), _PRESENCE],
    ids=["update", "step2", "step1", "awareness"],
)
async def test_every_truncation_of_a_real_message(scene: Scene, frame: bytes) -> None:
    for length in range(len(frame)):
        assert await scene.refused(frame[:length]) == CloseCode.MALFORMED, frame[:length].hex()
    await scene.intact()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x04",
        b"\x02\x00\x00",  # auth: nothing a client may say
        b"\x00\x03\x00",
        b"\x00\x02\x02\x00\x00\x00",  # a byte too many behind the message
        b"\x00\x02\x03\x00\x00\x00",  # and behind the update
        b"\x80\x00\x02\x02\x00\x00",  # an over-long varint
        b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xff" * 300,
    ],
    ids=bytes.hex,
)
async def test_messages_that_are_none(scene: Scene, frame: bytes) -> None:
    assert await scene.refused(frame) == CloseCode.MALFORMED
    await scene.intact()


async def test_every_truncated_update_in_a_whole_message(scene: Scene) -> None:
    for length in range(1, len(_UPDATE)):
        assert await scene.refused(update_frame(_UPDATE[:length])) == CloseCode.MALFORMED, _UPDATE[:length].hex()
    await scene.intact()


async def test_text_frames_on_a_plain_connection(scene: Scene) -> None:
    for text in ('{"type":"auth","token":"x"}', "", "[" * 100_000):
        assert await scene.refused(text) == CloseCode.MALFORMED
    await scene.intact()


async def test_text_frames_that_are_no_command(scene: Scene) -> None:
    async with await scene.intruder(dojo_v1=True) as mallory:
        for text in ("", "null", "[" * 100_000, '{"type":1}', '{"type":"saved","upTo":9}', '{"type":"auth"}', "{" * 9):
            await mallory.send(text)
            assert await mallory.control("error")
    await scene.intact()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x82\x05hello",  # not masked
        bytes((0xC2, 0x81)) + bytes(5),  # a reserved bit
        bytes((0x83, 0x81)) + bytes(5),  # an unknown opcode
        bytes((0x80, 0x81)) + bytes(5),  # a continuation of nothing
        bytes((0x09, 0x80)) + bytes(4),  # a fragmented ping
        client_header(200, first=0x89) + bytes(200),  # a ping over 125 bytes
        bytes((0x82, 0x80 | 126, 0, 5)) + bytes(9),  # a length not in its shortest form
        b"".join((bytes((0x02, 0x80)) + bytes(4), bytes((0x00, 0x80)) + bytes(4))),  # empty fragments, without end
        b"GET / HTTP/1.1\r\n\r\n" * 20,
    ],
    ids=["unmasked", "reserved", "opcode", "orphan", "split-ping", "long-ping", "long-length", "empty", "http"],
)
async def test_broken_framing(scene: Scene, sent: bytes) -> None:
    socket = await scene.raw()
    socket.writer.write(sent)
    assert await socket.close_code() == CloseCode.MALFORMED
    await socket.leave()
    await scene.intact()
