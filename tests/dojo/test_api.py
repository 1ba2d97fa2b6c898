"""The API process' routes over real HTTP: page, health, configuration, guest tickets, problems."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dojo.api import make_app
from dojo.api_services import ApiServices
from dojo.guest_tickets import is_loopback
from dojo.names import EMBEDDED_TENANT, tenant_id
from dojo.settings import Settings, load
from kernel.secrets import MasterKeys
from kernel.tokens import SigningKey
from tests.conftest import Database

KEY = SigningKey.generate()
PORT = 8080
ORIGIN = f"http://127.0.0.1:{PORT}"
SETTINGS = load(None, {"DOJO_LIVE__PORT": "8081"})
TICKETS = "/api/v1/rooms/kata/tickets"

Client = TestClient[Any, Any]


async def client_of(settings: Settings, dist: Path) -> Client:
    """The API without its database: what is asked for here needs none."""
    services = ApiServices(settings, pool=None, redis=None, master=MasterKeys([os.urandom(32)]), room_key=KEY)
    app = make_app(settings, services, dist)

    async def close(_app: web.Application) -> None:
        await services.close()

    app.on_cleanup.append(close)
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>Dojo</title>")
    (dist / "favicon.svg").write_text("<svg/>")
    (dist / "assets" / "index-abc.js").write_text("export {}")
    (tmp_path / "secret").write_text("secret")
    client = await client_of(SETTINGS, dist)
    yield client
    await client.close()


async def problem(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    found = msgspec.json.decode(await answer.read())
    assert found["status"] == answer.status
    assert set(found) == {"type", "title", "status", "code", "detail"}
    return answer.status, found["code"]


# The page


async def test_the_page_is_served_with_a_policy_that_lets_it_reach_the_sockets(client: Client) -> None:
    answer = await client.get("/")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert answer.headers["Cache-Control"] == "no-cache"
    policy = answer.headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://127.0.0.1:8081;" in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


async def test_with_several_nodes_the_page_may_reach_each_of_them(tmp_path: Path) -> None:
    several = load(None, {"DOJO_LIVE__PORT": "8081", "DOJO_LIVE__PUBLIC_URL": "wss://{hostname}.live.example.com"})
    client = await client_of(several, tmp_path)
    policy = (await client.get("/")).headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://127.0.0.1:8081 wss://*.live.example.com;" in policy
    await client.close()


async def test_files_with_a_hash_in_their_name_are_kept_and_others_asked_for_again(client: Client) -> None:
    asset = await client.get("/assets/index-abc.js")
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert asset.content_type in ("text/javascript", "application/javascript")
    icon = await client.get("/favicon.svg")
    assert icon.headers["Cache-Control"] == "no-cache"
    again = await client.get("/favicon.svg", headers={"If-None-Match": icon.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/nothing", "/health/live", "/api/v1/config"])
async def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Server"] == "dojo"
    assert headers["X-Request-ID"]


@pytest.mark.parametrize(
    "path", ["/../secret", "/assets/../../secret", "/%2e%2e/secret", "/assets/%2E%2E/%2E%2E/secret", "//secret"]
)
async def test_no_path_leads_out_of_the_pages_folder(client: Client, path: str) -> None:
    assert client.port is not None
    status, body = await raw(client.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert status in (400, 404)
    assert "secret" not in body.partition("\r\n\r\n")[2]


async def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    client = await client_of(SETTINGS, tmp_path / "missing")
    answer = await client.get("/")
    assert answer.status == 503
    assert "make setup" in await answer.text()
    await client.close()


# Health, configuration, problems


async def test_health_configuration_and_metrics(client: Client) -> None:
    assert (await client.get("/health/live")).status == 200
    assert await (await client.get("/api/v1/config")).json() == {"liveUrl": "ws://127.0.0.1:8081", "guests": True}
    text = await (await client.get("/metrics")).text()
    assert 'dojo_http_responses_total{method="GET",route="/api/v1/config",status="200"} 1.0' in text
    assert 'dojo_http_request_duration_seconds_count{method="GET",route="/health/live"} 1.0' in text


async def test_it_is_ready_once_it_can_check_tokens(client: Client, database: Database) -> None:
    assert await problem(await client.get("/health/ready")) == (503, "not_ready")
    async with asyncpg.create_pool(database.dsn("dojo_service"), min_size=0, max_size=4) as pool:
        services = ApiServices(SETTINGS, pool=pool, redis=None, master=MasterKeys([os.urandom(32)]), room_key=KEY)
        await services.start()
        try:
            async with TestClient(TestServer(make_app(SETTINGS, services))) as started:
                assert (await started.get("/health/ready")).status == 200
                assert len((await (await started.get("/.well-known/jwks.json")).json())["keys"]) == 1
        finally:
            await services.close()


async def test_errors_are_problems_with_a_stable_code(client: Client) -> None:
    assert await problem(await client.get("/nothing")) == (404, "not_found")
    wrong_method = await client.delete("/health/live")
    assert wrong_method.headers["Allow"] == "GET,HEAD"
    assert await problem(wrong_method) == (405, "method_not_allowed")


async def test_a_request_keeps_the_id_it_came_with_if_it_is_one(client: Client) -> None:
    assert (await client.get("/health/live", headers={"X-Request-ID": "abc-1"})).headers["X-Request-ID"] == "abc-1"
    assert len((await client.get("/health/live", headers={"X-Request-ID": "a b"})).headers["X-Request-ID"]) == 32


# Guest tickets


async def test_a_guest_gets_a_ticket_for_one_room(client: Client) -> None:
    answer = await client.post(
        "/api/v1/rooms/two%20words/tickets", json={"name": " Ana \n B. "}, headers={"Origin": ORIGIN}
    )
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    ticket = await answer.json()
    assert set(ticket) == {"token", "userId", "name", "expiresIn", "liveUrl"}
    assert (ticket["name"], ticket["expiresIn"], ticket["liveUrl"]) == ("Ana B.", 12 * 3600, "ws://127.0.0.1:8081")
    claims = KEY.verifier().verify(ticket["token"], time.time())
    assert claims.tid == tenant_id(EMBEDDED_TENANT)
    assert (str(claims.sub), claims.name, claims.rooms, claims.write) == (
        ticket["userId"],
        "Ana B.",
        ("two words",),
        True,
    )


async def test_every_guest_is_somebody_else_and_one_who_shows_a_ticket_stays_the_same(client: Client) -> None:
    first = await (await client.post(TICKETS, json={})).json()
    second = await (await client.post(TICKETS, json={})).json()
    assert first["userId"] != second["userId"]
    assert first["name"] == "Guest"
    bearer = {"Authorization": f"Bearer {first['token']}"}
    again = await (await client.post("/api/v1/rooms/other/tickets", json={"name": "New"}, headers=bearer)).json()
    assert (again["userId"], again["name"]) == (first["userId"], "New")


async def test_a_ticket_that_is_no_longer_good_makes_a_new_guest(client: Client) -> None:
    ana = UUID(int=7)
    values: dict[str, Any] = {"user": ana, "name": "A", "rooms": ["*"], "write": True, "seconds": 60}
    embedded = tenant_id(EMBEDDED_TENANT)
    old = KEY.mint(tenant=embedded, now=time.time() - 3600, **values)
    foreign = SigningKey.generate().mint(tenant=embedded, now=time.time(), **values)
    other_tenant = KEY.mint(tenant=tenant_id("acme"), now=time.time(), **values)
    for token in (old, foreign, other_tenant, "garbage"):
        answer = await client.post(TICKETS, json={}, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 201
        assert (await answer.json())["userId"] != str(ana)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9", "http://localhost"])
async def test_pages_of_other_origins_get_no_ticket(client: Client, origin: str) -> None:
    answer = await client.post(TICKETS, json={}, headers={"Origin": origin})
    assert await problem(answer) == (403, "origin_not_allowed")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "[", ""])
async def test_a_foreign_name_that_leads_here_gets_no_ticket(client: Client, host: str) -> None:
    answer = await client.post(TICKETS, json={}, headers={"Host": host})
    assert await problem(answer) == (421, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "[::1]:8080", "LOCALHOST:1"])
async def test_this_machines_own_names_lead_here_on_any_port(client: Client, host: str) -> None:
    assert (await client.post(TICKETS, json={}, headers={"Host": host})).status == 201


@pytest.mark.parametrize("room", ["a%2Fb", "%00", "%FF", "x" * 201])
async def test_a_name_no_room_can_have_is_not_found(client: Client, room: str) -> None:
    assert client.port is not None
    request = (
        f"POST /api/v1/rooms/{room}/tickets HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    status, body = await raw(client.port, request)
    assert (status, "room_not_found" in body) == (404, True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", (400, "invalid_body")),
        (b"[]", (400, "invalid_body")),
        (b'{"name": 5}', (400, "invalid_body")),
        (b'{"nome": "x"}', (400, "invalid_body")),
        (b'{"name": "' + b"x" * 65 + b'"}', (400, "invalid_body")),
        (b'{"name": "\xff"}', (400, "invalid_body")),
        (b" " * (16 * 1024 + 1), (413, "body_too_large")),
    ],
)
async def test_a_body_that_does_not_fit_is_a_problem(client: Client, body: bytes, code: tuple[int, str]) -> None:
    answer = await client.post(TICKETS, data=body, headers={"Content-Type": "application/json"})
    assert await problem(answer) == code


async def test_a_form_is_no_ticket_request(client: Client) -> None:
    assert await problem(await client.post(TICKETS, data={"name": "x"})) == (415, "unsupported_media_type")


@pytest.mark.parametrize("env", [{"DOJO_GUESTS": "false"}, {"DOJO_HTTP__HOST": "0.0.0.0"}])
async def test_elsewhere_than_on_ones_own_machine_there_are_no_guests(tmp_path: Path, env: dict[str, str]) -> None:
    client = await client_of(load(None, {"DOJO_LIVE__PORT": "1", **env}), tmp_path)
    assert (await client.post(TICKETS, json={})).status in (404, 405)
    await client.close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "127.1", "")],
)
def test_what_counts_as_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def raw(port: int, request: str) -> tuple[int, str]:
    """Status and whole answer of a request sent as it is, past the client's own tidying."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    answer = (await asyncio.wait_for(reader.read(), 10)).decode("latin-1")
    writer.close()
    return int(answer.split(" ")[1]), answer
