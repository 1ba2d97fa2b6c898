from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from edge.identity.oidc.address import Reach
from edge.identity.oidc.fetch import ASKED_MOST, DOCUMENT_BYTES, EXCHANGE_SECONDS, Fetcher
from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from edge.identity.oidc.resolve import SystemResolver
from edge.identity.oidc.url import HttpsUrl, keys_url
from tests.edge.identity.oidc.authority import Authority
from tests.edge.identity.oidc.conftest import LOOPBACK
from tests.edge.identity.oidc.issuer import LocalIssuer, serving

LOOP = Reach(LOOPBACK)


class Answers:
    """A name server that answers differently each time; the last answer stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return list(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


@pytest.fixture
async def fetcher(authority: Authority) -> AsyncIterator[Fetcher]:
    resolver = SystemResolver()
    yield Fetcher(resolver, authority.ca_file)
    resolver.close()


def keys_of(issuer: LocalIssuer) -> HttpsUrl:
    return keys_url(f"{issuer.url}/jwks")


async def fault(fetcher: Fetcher, url: HttpsUrl, reach: Reach = LOOP) -> Fault:
    with pytest.raises(IssuerUnavailable) as caught:
        await fetcher.get(url, reach)
    return caught.value.reason


async def test_a_document(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    assert b'"key-1"' in await fetcher.get(keys_of(issuer), LOOP)


async def test_private_addresses_are_refused_before_anything_is_sent(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    assert await fault(fetcher, keys_of(issuer), Reach()) is Fault.ADDRESS
    port = keys_of(issuer).port
    for host in ("127.0.0.1", "[::ffff:7f00:1]", "[::1]"):
        assert await fault(fetcher, keys_url(f"https://{host}:{port}/jwks"), Reach()) is Fault.ADDRESS
    assert await fault(fetcher, keys_url("https://169.254.169.254/"), LOOP) is Fault.ADDRESS
    assert not issuer.requests


async def test_one_private_address_among_public_ones_refuses_all(authority: Authority) -> None:
    names = Answers(["1.1.1.1", "10.0.0.1"])
    assert await fault(Fetcher(names, authority.ca_file), keys_url("https://idp.test/")) is Fault.ADDRESS


async def test_a_name_that_is_rebound_after_the_check_changes_nothing(authority: Authority) -> None:
    """The honest server is on the one allowed address; the second answer would lead to the trap."""
    async with serving(authority, "idp.test", host="127.0.0.2") as honest:
        port = keys_of(honest).port
        async with serving(authority, "idp.test", host="127.0.0.1", port=port) as trap:
            names = Answers(["127.0.0.2"], ["127.0.0.1"])
            fetcher = Fetcher(names, authority.ca_file)
            reach = Reach(["127.0.0.2/32"])
            await fetcher.get(keys_of(honest), reach)
            assert (names.asked, honest.requests.total(), trap.requests.total()) == (["idp.test"], 1, 0)
            assert await fault(fetcher, keys_of(honest), reach) is Fault.ADDRESS
            assert (honest.requests.total(), trap.requests.total()) == (1, 0)


async def test_the_next_address_is_tried_when_one_does_not_answer(authority: Authority) -> None:
    async with serving(authority, "idp.test", host="127.0.0.3") as issuer:
        fetcher = Fetcher(Answers(["127.0.0.4", "127.0.0.3"]), authority.ca_file)
        assert await fetcher.get(keys_of(issuer), LOOP)


async def test_the_certificate_is_checked_for_the_name(authority: Authority, fetcher: Fetcher) -> None:
    async with serving(authority, "other.test") as issuer:
        port = keys_of(issuer).port
        named_otherwise = Fetcher(Answers(["127.0.0.1"]), authority.ca_file)
        assert await fault(named_otherwise, keys_url(f"https://idp.test:{port}/")) is Fault.TLS
        assert await fault(fetcher, keys_url(f"https://127.0.0.1:{port}/")) is Fault.TLS
        assert not issuer.requests


async def test_only_authorities_that_are_trusted(issuer: LocalIssuer) -> None:
    assert await fault(Fetcher(Answers(["127.0.0.1"])), keys_of(issuer)) is Fault.TLS
    assert not issuer.requests


async def test_a_server_without_tls(authority: Authority, fetcher: Fetcher) -> None:
    async with serving(authority, "localhost", scheme="http") as plain:
        port = plain.url.rpartition(":")[2]
        assert await fault(fetcher, keys_url(f"https://localhost:{port}/jwks")) is Fault.TLS
        assert not plain.requests


async def test_redirects_are_not_followed(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    async def redirect(_: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{issuer.url}/elsewhere"})

    issuer.handlers["/jwks"] = redirect
    assert await fault(fetcher, keys_of(issuer)) is Fault.STATUS
    assert issuer.requests == {"/jwks": 1}


async def test_only_json_as_it_is(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    for headers in (
        {"Content-Type": "text/html"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        answer = headers

        async def other(_: web.BaseRequest, headers: dict[str, str] = answer) -> web.Response:
            return web.Response(body=b"{}", headers=headers)

        issuer.handlers["/jwks"] = other
        assert await fault(fetcher, keys_of(issuer)) is Fault.CONTENT_TYPE

    async def key_set(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"{}", content_type="application/jwk-set+json")

    issuer.handlers["/jwks"] = key_set
    assert await fetcher.get(keys_of(issuer), LOOP) == b"{}"


async def test_the_size_is_bounded(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    sizes = iter([DOCUMENT_BYTES, DOCUMENT_BYTES + 1])

    async def exactly(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b" " * next(sizes), content_type="application/json")

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 10_000)

    issuer.handlers["/jwks"] = exactly
    assert len(await fetcher.get(keys_of(issuer), LOOP)) == DOCUMENT_BYTES
    assert await fault(fetcher, keys_of(issuer)) is Fault.TOO_LARGE
    issuer.handlers["/jwks"] = endless
    assert await fault(fetcher, keys_of(issuer)) is Fault.TOO_LARGE


async def test_headers_without_an_end(fetcher: Fetcher, issuer: LocalIssuer) -> None:
    async def long_header(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"{}", content_type="application/json", headers={"X": "x" * 100_000})

    issuer.handlers["/jwks"] = long_header
    assert await fault(fetcher, keys_of(issuer)) is Fault.UNREACHABLE


async def test_nothing_hangs_longer_than_an_exchange(
    authority: Authority, fetcher: Fetcher, issuer: LocalIssuer
) -> None:
    """A server that takes the connection and no more, one that does not answer, one that drips, a name server."""
    released = asyncio.Event()
    silent_ended = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()
        silent_ended.set()

    async def no_answer(_: web.BaseRequest) -> web.Response:
        await released.wait()
        return web.Response()

    async def drips(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while not released.is_set():
            await response.write(b" ")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(released.wait(), 0.1)
        return response

    async def never(_: str, __: int) -> list[str]:
        await released.wait()
        return []

    issuer.handlers |= {"/silent": no_answer, "/drips": drips}
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    faults = await asyncio.gather(
        fault(fetcher, keys_url(f"https://localhost:{port}/")),
        fault(fetcher, keys_url(f"{issuer.url}/silent")),
        fault(fetcher, keys_url(f"{issuer.url}/drips")),
        fault(Fetcher(never, authority.ca_file), keys_of(issuer)),
    )
    took = time.monotonic() - began
    released.set()
    await asyncio.wait_for(silent_ended.wait(), 5.0)
    server.close()
    await server.wait_closed()
    assert list(faults) == [Fault.TIMEOUT] * 4
    assert EXCHANGE_SECONDS - 0.1 < took < EXCHANGE_SECONDS + 2.0


async def test_a_flood_is_refused_at_once_and_leaves_nothing_behind(authority: Authority) -> None:
    released = asyncio.Event()

    async def waits(_: str, __: int) -> list[str]:
        await released.wait()
        return []

    fetcher = Fetcher(waits, authority.ca_file)
    url = keys_url("https://idp.test/")
    flood = [asyncio.create_task(fault(fetcher, url)) for _ in range(ASKED_MOST + 5)]
    done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED, timeout=2.0)
    assert {task.result() for task in done} == {Fault.BUSY}
    released.set()
    faults = await asyncio.gather(*flood)
    assert (faults.count(Fault.BUSY), faults.count(Fault.UNKNOWN_HOST)) == (5, ASKED_MOST)
    assert await fault(fetcher, url) is Fault.UNKNOWN_HOST


async def test_proxies_of_the_environment_are_not_used(
    fetcher: Fetcher, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert await fetcher.get(keys_of(issuer), LOOP)


async def test_a_name_that_does_not_exist(fetcher: Fetcher) -> None:
    assert await fault(fetcher, keys_url("https://localhost.invalid/")) is Fault.UNKNOWN_HOST


async def test_nobody_listens(fetcher: Fetcher, authority: Authority) -> None:
    async with serving(authority, "localhost") as gone:
        url = keys_of(gone)
    assert await fault(fetcher, url) is Fault.UNREACHABLE


def test_a_missing_file_of_authorities_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.pem"):
        Fetcher(Answers([]), tmp_path / "missing.pem")
