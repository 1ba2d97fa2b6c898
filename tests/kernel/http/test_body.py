"""Bodies that are too much, too deep, too slow, or no JSON."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from kernel.http import body as body_module
from tests.kernel.http.conftest import Shop
from tests.kernel.http.serving import problem, raw

ECHO = "/api/v1/echo"
LIMIT = 64 * 1024
JSON = {"Content-Type": "application/json"}
HEAD = f"POST {ECHO} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


async def sent(front: Shop, data: bytes, **headers: str) -> tuple[int, str]:
    async with front.client.post(ECHO, data=data, headers={**JSON, **headers}) as answer:
        if answer.status == 200:
            return 200, await answer.text()
        return await problem(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b"{}", b"1", b'"a"', b"NaN", b'{"name":"a"}x', b'\xef\xbb\xbf{"name":"a"}',
        b"2\xff~", b'["a" x', b'{"name":1} x',
        b'{"name":"\xff"}', b'{"name":"\xed\xa0\x80"}', b'{"name":"\\ud800"}', b'{"name":"\\udc00\\ud800"}',
        b'{"name":"\\u0000"}', b'{"name":"a\\u0000b"}', b'{"name":"a\\n"}', b'{"name":"a\\u0085b\\u007f"}',
        b'{"name":"a","unknown":1}', b'{"name":"a","tenantId":"x"}', b'{"name":1}', b'{"name":null}', b'{"name":["a"]}',
        b'{"name":"' + b"a" * 101 + b'"}', b'{"name":""}', b'{"name":"a","note":"a\\u0000"}',
        b'{"name":"a","weight":1.5}', b'{"name":"a","weight":"1"}', b'{"name":"a","weight":true}',
        b'{"name":"a","weight":1e400}', b'{"name":"a","weight":1e300}', b'{"name":"a","weight":-1}',
        b'{"name":"a","weight":' + b"9" * 30 + b"}", b'{"name":"a","weight":' + b"9" * 20_000 + b"}",
        b'{"name":"a","weight":1' + b"0" * 400 + b".0}", b'{"name":"a","weight":-0.5}',
        b'{"name":"a","parts":[{"name":"b"},{"name":"b"},{"name":"b"},{"name":"b"}]}',
        b'{"name":"a","parts":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"[" * 60_000, b'{"a":' * 10_000, b'{"name":"a","unknown":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"name":"a","weight":1.0,"x":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    ],
)  # fmt: skip
async def test_a_body_that_does_not_fit_is_a_400(front: Shop, body: bytes) -> None:
    assert await sent(front, body) == (400, "invalid_body")


@pytest.mark.parametrize(("weight", "taken"), [("21.0", 21), ("-0.0", 0), ("1e2", 100), ("1.0E+3", 1000), ("0", 0)])
async def test_a_number_without_a_fraction_is_an_integer_however_it_is_written(
    front: Shop, weight: str, taken: int
) -> None:
    status, text = await sent(front, f'{{"name":"a","weight":{weight},"parts":[{{"name":"b"}}]}}'.encode())
    assert (status, f'"weight":{taken},' in text) == (200, True)


@pytest.mark.parametrize("name", ["\U0001f600", "e\u0301", "\u202e", "\ufffe", "'; DROP TABLE things; --", "<script>"])
async def test_text_comes_back_as_it_went_in(front: Shop, name: str) -> None:
    async with front.client.post(ECHO, json={"name": name}) as answer:
        assert (await answer.json())["name"] == name


async def test_a_refusal_does_not_repeat_what_was_sent(front: Shop) -> None:
    async with front.client.post(ECHO, json={"name": "s3cret" * 30, "unknown" * 200: "s3cret"}) as answer:
        detail = (await answer.json())["detail"]
    assert "s3cret" not in detail
    assert len(detail) <= body_module.FAILURE_CHARACTERS


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, "unsupported_media_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "unsupported_media_type"),
        ({"Content-Type": "application/jsonx"}, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, "unsupported_content_encoding"),
        ({"Content-Encoding": "br"}, "unsupported_content_encoding"),
        ({"Content-Encoding": "identity, gzip"}, "unsupported_content_encoding"),
    ],
)
async def test_other_media_and_compressed_bodies_are_refused(front: Shop, headers: dict[str, str], code: str) -> None:
    data = gzip.compress(b'{"name":"a"}') if "Content-Encoding" in headers else b'{"name":"a"}'
    assert await sent(front, data, **headers) == (415, code)


async def test_a_compressed_bomb_costs_nothing(front: Shop) -> None:
    bomb = gzip.compress(bytes(32 * 2**20))
    assert await sent(front, bomb, **{"Content-Encoding": "gzip"}) == (415, "unsupported_content_encoding")


async def test_a_body_over_the_limit_is_refused_with_and_without_a_length(front: Shop) -> None:
    fitting = b'{"name":"a"' + b" " * (LIMIT - 12) + b"}"
    assert len(fitting) == LIMIT
    assert (await sent(front, fitting))[0] == 200
    assert await sent(front, fitting + b" ") == (413, "body_too_large")

    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 8192

    async with front.client.post(ECHO, data=chunks(), headers=JSON) as answer:
        assert await problem(answer) == (413, "body_too_large")


async def test_a_declared_length_is_refused_before_a_byte_of_it_is_read(front: Shop) -> None:
    async with raw(front.port) as client:
        await client.send(HEAD + b"Content-Length: 1000000000000000\r\n\r\n")
        answer = await client.answer()
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_that_drips_is_a_408(front: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.1)
    async with raw(front.port) as client:
        await client.send(HEAD + b"Content-Length: 1000\r\n\r\n")
        answer = asyncio.ensure_future(client.answer())
        while not answer.done():
            await client.send(b" ")
            await asyncio.wait([answer], timeout=0.01)
    assert (answer.result().status, answer.result().json()["code"]) == (408, "request_timeout")


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n\r\n", b"5\r\nab\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n"])
async def test_malformed_chunks_are_a_400(front: Shop, chunks: bytes) -> None:
    async with raw(front.port) as client:
        await client.send(
            f"POST {ECHO} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
            + chunks
        )
        answer = await client.answer()
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
